// The type of a setting, and of tables of settings in the shape of the configuration file.
import type { Kind } from './kinds.ts';

export interface Setting<V = unknown> {
  kind: Kind;
  /** Environment variable that sets it and wins over the file; absent if only the file can set it. */
  variable?: string;
  /** Sentence for users without a full stop; several sentences are separated by full stops. */
  meaning: string;
  example: string | number | boolean;
  /** Value if it is not set; absent if there is no default. */
  default?: V;
  /** The processes that read it; `commands`: only commands such as `send`. */
  neededBy: 'webhook' | 'worker' | 'both' | 'codec-server' | 'commands';
  /** The worker does not start if it is not set. */
  required?: true;
  /** It is never shown, and the file may hold it only by reference. */
  secret?: true;
}

/** The values of a table's settings, in the shape of the table. */
export type ValuesOf<T> = T extends Setting<infer V> ? V : { [K in keyof T]: ValuesOf<T[K]> };

export interface Table {
  [name: string]: Setting | Table;
}

export function isSetting(node: Setting | Table): node is Setting {
  return 'kind' in node;
}

/** Every setting of a table with its path (`sandbox.template`), in the table's order. */
export function settingsOf(table: Table, prefix: readonly string[] = []): [path: string, setting: Setting][] {
  return Object.entries(table).flatMap(([name, node]): [string, Setting][] =>
    isSetting(node) ? [[[...prefix, name].join('.'), node]] : settingsOf(node, [...prefix, name]),
  );
}

type Spec<T> = Omit<Setting, 'kind' | 'default' | 'example'> & { default?: T; example: T };
type Value<T, S> = S extends { default: unknown } | { required: true } ? T : T | undefined;

type Named<S> = S extends { variable: string } ? { variable: string } : unknown;

/** Declares a setting; the type of its value follows from its kind, `default` and `required`. */
export function setting<T extends string | number | boolean, const S extends Spec<NoInfer<T>>>(
  kind: Kind<T>,
  spec: S,
): Setting<Value<T, S>> & Named<S> {
  return { kind, ...spec } as unknown as Setting<Value<T, S>> & Named<S>;
}
