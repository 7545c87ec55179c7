/** Switches of a simulator: they select a behaviour where that of the real service is unknown or varies. */

/** `values` are the allowed values; `integer` allows whole numbers from 0. */
export interface SwitchDefinition {
  default: string;
  values: readonly string[] | 'integer';
}

export class Switches<Name extends string> {
  readonly #definitions: Record<Name, SwitchDefinition>;
  readonly #set = new Map<Name, string>();

  constructor(definitions: Record<Name, SwitchDefinition>) {
    this.#definitions = definitions;
  }

  get(name: Name): string {
    return this.#set.get(name) ?? this.#definitions[name].default;
  }

  number(name: Name): number {
    return Number(this.get(name));
  }

  /** Every switch with its current value. */
  all(): Record<string, string> {
    return Object.fromEntries(this.#names().map((name) => [name, this.get(name)]));
  }

  /** Sets all switches or, for an unknown name or value, none; the `Error` names it and the allowed ones. */
  patch(values: Record<string, unknown>): void {
    const checked: [Name, string][] = [];
    for (const [name, raw] of Object.entries(values)) {
      if (!Object.hasOwn(this.#definitions, name)) {
        throw new Error(`unknown switch ${name}; known switches: ${this.#names().join(', ')}`);
      }
      const value = String(raw);
      const { values: allowed } = this.#definitions[name as Name];
      if (allowed === 'integer' ? !/^\d+$/.test(value) : !allowed.includes(value)) {
        const hint = allowed === 'integer' ? 'a whole number' : `one of ${allowed.join(', ')}`;
        throw new Error(`switch ${name} must be ${hint}, not ${value}`);
      }
      checked.push([name as Name, value]);
    }
    for (const [name, value] of checked) this.#set.set(name, value);
  }

  #names(): Name[] {
    return Object.keys(this.#definitions) as Name[];
  }
}
