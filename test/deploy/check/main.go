// Reads what people deploy with the libraries of the programs that they deploy it with, strictly, and prints it as JSON:
//
//	check kustomize FOLDER             rendered by Kustomize, decoded against the published types of Kubernetes
//	check compose FILE [PROFILE ...]   loaded by Docker Compose's library with these profiles
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: check kustomize FOLDER | check compose FILE [PROFILE ...]"))
	}
	var result any
	var err error
	if os.Args[1] == "kustomize" {
		result, err = kustomize(os.Args[2])
	} else {
		result, err = compose(os.Args[2], os.Args[3:])
	}
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fail(err)
	}
}

func kustomize(folder string) (any, error) {
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, err
	}
	// Strict: a field that the type does not have, or that is there twice, is an error.
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	objects := []runtime.Object{}
	for _, resource := range rendered.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			return nil, err
		}
		object, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", resource.CurId(), err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

func compose(file string, profiles []string) (any, error) {
	// No .env and no variables of this machine.
	options, err := cli.NewProjectOptions([]string{file}, cli.WithProfiles(profiles), cli.WithName("router"))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
