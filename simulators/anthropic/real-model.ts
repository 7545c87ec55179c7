/** A real model behind a Messages API endpoint, which answers the messages that contain no script. */
import { conversation } from './conversation.ts';
import { toolDefinitions } from './model-tools.ts';
import type { Call, ERROR_TYPES } from './script.ts';
import type { AgentVersion, SessionEvent } from './state.ts';

export interface RealModelOptions {
  /** Base URL, without `/v1/messages`. */
  url: string;
  key?: string | undefined;
  /** Model to request; default: the agent's model. */
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

/** A failed model request; `transient`: a retry may succeed. */
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

  /** Asks the model for its next message. Throws a `ModelError`, or the abort reason of `signal`. */
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
      const reason =
        error instanceof SyntaxError ? 'The answer is not a message.' : 'The endpoint cannot be reached.';
      throw new ModelError('model_request_failed_error', `The model request failed. ${reason}`, true);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The error text of the endpoint is untrusted, so only its status is reported. */
function failure(status: number): ModelError {
  const message = `The model request failed with status ${status}.`;
  if (status === 429) return new ModelError('model_rate_limited_error', message, true);
  if (status === 529 || status === 503) return new ModelError('model_overloaded_error', message, true);
  return new ModelError('model_request_failed_error', message, status >= 500);
}
