// What a setting is, and tables of them in the shape of the configuration file.
import type { Kind } from './kinds.ts';

export interface Setting<V = unknown> {
  kind: Kind;
  /** The variable that sets it without a file, and that wins over the file; absent if only the file can set it. */
  variable?: string;
  /** In words a clause that completes "What it is: …", without a full stop. */
  meaning: string;
  example: string | number | boolean;
  /** What applies if it is not set; absent if there is no default. */
  default?: V;
  /** The processes that read it. */
  neededBy: 'webhook' | 'worker' | 'both';
  /** The worker does not start without it. */
  required?: true;
  /** Never shown, and in the file only by reference. */
  secret?: true;
}

/** The values of a table, in its shape. */
export type ValuesOf<T> = T extends Setting<infer V> ? V : { [K in keyof T]: ValuesOf<T[K]> };

export interface Table {
  [name: string]: Setting | Table;
}

export function isSetting(node: Setting | Table): node is Setting {
  return 'kind' in node;
}

/** Every setting of a table with its path, in order. */
export function settingsOf(table: Table, prefix: readonly string[] = []): [path: string, setting: Setting][] {
  return Object.entries(table).flatMap(([name, node]): [string, Setting][] =>
    isSetting(node) ? [[[...prefix, name].join('.'), node]] : settingsOf(node, [...prefix, name]),
  );
}

type Spec<T> = Omit<Setting, 'kind' | 'default' | 'example'> & { default?: T; example: T };
type Value<T, S> = S extends { default: unknown } | { required: true } ? T : T | undefined;

type Named<S> = S extends { variable: string } ? { variable: string } : unknown;

export function setting<T extends string | number | boolean, const S extends Spec<NoInfer<T>>>(
  kind: Kind<T>,
  spec: S,
): Setting<Value<T, S>> & Named<S> {
  return { kind, ...spec } as unknown as Setting<Value<T, S>> & Named<S>;
}
