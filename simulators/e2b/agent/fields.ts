/** Typed access to the fields of a JSON message; errors name the field. */
import { RpcError } from './rpc-error.ts';

export class Fields {
  readonly #values: Record<string, unknown>;
  readonly #where: string;

  /** `where` names the message in errors. Throws `invalid_argument` unless `json` is an object. */
  constructor(json: unknown, where = 'the message') {
    if (json === null || typeof json !== 'object' || Array.isArray(json)) {
      throw new RpcError('invalid_argument', `${where} must be a JSON object`);
    }
    this.#values = json as Record<string, unknown>;
    this.#where = where;
  }

  text(name: string): string | undefined {
    const value = this.#get(name);
    if (value === undefined || typeof value === 'string') return value;
    throw this.#wrong(name, 'a string');
  }

  flag(name: string): boolean | undefined {
    const value = this.#get(name);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.#wrong(name, 'a boolean');
  }

  /** A whole number from 0. The JSON of protocol buffers may contain numbers as strings. */
  count(name: string): number | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= 0xffff_ffff)
      return number;
    throw this.#wrong(name, 'a number from 0 to 4294967295');
  }

  /** Decodes base64 of either alphabet. */
  bytes(name: string): Buffer | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (typeof value === 'string' && /^[\w+/-]*={0,2}$/.test(value)) return Buffer.from(value, 'base64');
    throw this.#wrong(name, 'base64');
  }

  texts(name: string): string[] {
    const value = this.#get(name) ?? [];
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    throw this.#wrong(name, 'a list of strings');
  }

  textMap(name: string): Record<string, string> {
    const value = this.#get(name) ?? {};
    const right = typeof value === 'object' && !Array.isArray(value);
    if (right && Object.values(value).every((item) => typeof item === 'string'))
      return value as Record<string, string>;
    throw this.#wrong(name, 'an object of strings');
  }

  message(name: string): Fields | undefined {
    const value = this.#get(name);
    return value === undefined ? undefined : new Fields(value, `${this.#where}, field ${name},`);
  }

  /** Finds the field by its JSON name or its name in the protocol file; null means absent. */
  #get(name: string): unknown {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const key = Object.hasOwn(this.#values, name) ? name : snake;
    return Object.hasOwn(this.#values, key) ? (this.#values[key] ?? undefined) : undefined;
  }

  #wrong(name: string, wanted: string): RpcError {
    return new RpcError('invalid_argument', `${this.#where}: field ${name} must be ${wanted}`);
  }
}
