// Starts the worker of the Go SDK like its users do.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/lib/environments"
	"github.com/anthropics/anthropic-sdk-go/option"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	client := anthropic.NewClient(option.WithBaseURL(os.Getenv("BASE_URL")), option.WithAuthToken("unused"))
	idle := time.Second
	worker := environments.NewEnvironmentWorker(client, environments.EnvironmentWorkerOptions{
		EnvironmentID:  os.Getenv("ENVIRONMENT_ID"),
		EnvironmentKey: os.Getenv("ENVIRONMENT_KEY"),
		Workdir:        os.Getenv("WORKDIR"),
		MaxIdle:        &idle,
	})
	fmt.Println("polling")
	if err := worker.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
