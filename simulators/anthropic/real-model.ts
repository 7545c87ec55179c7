/** A real model: the turns of sessions without a script are made by an endpoint that speaks the Messages API. */
import { conversation } from './conversation.ts';
import { toolDefinitions } from './model-tools.ts';
import type { Call, ERROR_TYPES } from './script.ts';
import type { AgentVersion, SessionEvent } from './state.ts';

export interface RealModelOptions {
  /** The base URL, to which `/v1/messages` is added. */
  url: string;
  key?: string | undefined;
  /** Instead of the agent's model. */
  name?: string | undefined;
}

export interface ModelUsage {
  input_tokens: number;
  output_tokens: number;
  cache_creation_input_tokens: number;
  cache_read_input_tokens: number;
}

export interface ModelAnswer {
  text: { type: 'text'; text: string }[];
  calls: Call[];
  usage: ModelUsage;
  refused: boolean;
}

/** A request that gave no answer; `transient`: it may be tried again. */
export class ModelError extends Error {
  readonly type: (typeof ERROR_TYPES)[number];
  readonly transient: boolean;

  constructor(type: ModelError['type'], message: string, transient: boolean) {
    super(message);
    this.type = type;
    this.transient = transient;
  }
}

interface Message {
  content: ({ type: 'text'; text: string } | { type: 'tool_use'; name: string; input: Call['input'] })[];
  stop_reason: string | null;
  usage: Partial<ModelUsage>;
}

const MAX_TOKENS = 8192;
const TIMEOUT_MS = 10 * 60_000;

export class RealModel {
  readonly #options: RealModelOptions;

  constructor(options: RealModelOptions) {
    this.#options = options;
  }

  /** What the model does next. Throws a `ModelError`, or whatever `signal` aborts with. */
  async answer(agent: AgentVersion, history: SessionEvent[], signal: AbortSignal): Promise<ModelAnswer> {
    const tools = toolDefinitions(agent);
    const message = await this.#post(
      {
        model: this.#options.name ?? agent.model.id,
        max_tokens: MAX_TOKENS,
        messages: conversation(history),
        ...(agent.system ? { system: agent.system } : {}),
        ...(tools.length > 0 ? { tools } : {}),
      },
      signal,
    );
    const { usage } = message;
    return {
      text: message.content.filter((block) => block.type === 'text'),
      calls: message.content.flatMap((block) =>
        block.type === 'tool_use' ? [{ name: block.name, input: block.input }] : [],
      ),
      usage: {
        input_tokens: usage.input_tokens ?? 0,
        output_tokens: usage.output_tokens ?? 0,
        cache_creation_input_tokens: usage.cache_creation_input_tokens ?? 0,
        cache_read_input_tokens: usage.cache_read_input_tokens ?? 0,
      },
      refused: message.stop_reason === 'refusal',
    };
  }

  async #post(body: unknown, signal: AbortSignal): Promise<Message> {
    const { url, key } = this.#options;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), TIMEOUT_MS);
    try {
      const response = await fetch(`${url.replace(/\/$/, '')}/v1/messages`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'anthropic-version': '2023-06-01',
          ...(key ? { 'x-api-key': key } : {}),
        },
        body: JSON.stringify(body),
        signal: AbortSignal.any([signal, timeout.signal]),
      });
      const text = await response.text();
      if (!response.ok) throw failure(response.status);
      const message = JSON.parse(text) as Partial<Message>;
      if (!Array.isArray(message.content)) throw new SyntaxError();
      return {
        content: message.content,
        stop_reason: message.stop_reason ?? null,
        usage: message.usage ?? {},
      };
    } catch (error) {
      if (error instanceof ModelError || signal.aborted) throw error;
      const what =
        error instanceof SyntaxError ? 'The answer is no message.' : 'The endpoint is not reached.';
      throw new ModelError('model_request_failed_error', `The model request failed. ${what}`, true);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The endpoint's own text may hold anything; only its status is told. */
function failure(status: number): ModelError {
  const message = `The model request failed with status ${status}.`;
  if (status === 429) return new ModelError('model_rate_limited_error', message, true);
  if (status === 529 || status === 503) return new ModelError('model_overloaded_error', message, true);
  return new ModelError('model_request_failed_error', message, status >= 500);
}
