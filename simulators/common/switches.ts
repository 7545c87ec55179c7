/** Named switches of a simulator: choices where the real service's behaviour is unknown or varies. */

/** `values` lists what is allowed; `integer` allows whole numbers of zero or more. */
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

  /** Every switch with its present value. */
  all(): Record<string, string> {
    return Object.fromEntries(this.#names().map((name) => [name, this.get(name)]));
  }

  /** Sets all of these or, on an unknown name or value, none; the `Error` names it and what is allowed. */
  patch(values: Record<string, unknown>): void {
    const checked: [Name, string][] = [];
    for (const [name, raw] of Object.entries(values)) {
      if (!Object.hasOwn(this.#definitions, name)) {
        throw new Error(`unknown switch ${name}; there are: ${this.#names().join(', ')}`);
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
