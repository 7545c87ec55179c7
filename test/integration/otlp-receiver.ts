// An OTLP/HTTP receiver that decodes the spans it is sent, as protobuf of opentelemetry.proto.collector.trace.v1.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import protobuf from 'protobufjs';

export interface ReceivedSpan {
  name: string;
  service: string;
  traceId: string;
  spanId: string;
  /** Empty at the top of a trace. */
  parentSpanId: string;
  kind: number;
  /** 0 unset, 1 OK, 2 error. */
  status: number;
  /** Epoch ms. */
  startedAt: number;
  endedAt: number;
  attributes: Record<string, string | number>;
}

const PROTO = `syntax = "proto3";
message Value { oneof value { string text = 1; bool flag = 2; int64 whole = 3; double number = 4; } }
message Attribute { string key = 1; Value value = 2; }
message Resource { repeated Attribute attributes = 1; }
message Status { string message = 2; int32 code = 3; }
message Span { bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start = 7; fixed64 end = 8; repeated Attribute attributes = 9; Status status = 15; }
message ScopeSpans { repeated Span spans = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Request { repeated ResourceSpans resource_spans = 1; }`;

interface Attribute {
  key: string;
  value: Record<string, string | number>;
}

/** @param answer status of each answer; null: none is sent */
export async function startReceiver(answer: number | null = 200) {
  const Request = protobuf.parse(PROTO).root.lookupType('Request');
  const spans: ReceivedSpan[] = [];
  const bodies: Buffer[] = [];
  const paths = new Set<string>();
  const authorizations = new Set<string | undefined>();
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    paths.add(`${request.method} ${request.url} ${request.headers['content-type']}`);
    authorizations.add(request.headers.authorization);
    bodies.push(body);
    const decoded = Request.toObject(Request.decode(body), { longs: Number, bytes: Buffer, defaults: true });
    spans.push(...decoded.resourceSpans.flatMap(spansOf));
    if (answer !== null) response.writeHead(answer).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    /** What has arrived, undecoded. */
    bodies,
    /** Method, path and content type of the requests. */
    paths,
    authorizations,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: decoded without types
function spansOf({ resource, scopeSpans }: any): ReceivedSpan[] {
  const service = String(attributesOf(resource.attributes)['service.name']);
  // biome-ignore lint/suspicious/noExplicitAny: decoded without types
  return scopeSpans.flatMap((scope: any) =>
    // biome-ignore lint/suspicious/noExplicitAny: decoded without types
    scope.spans.map((span: any) => ({
      name: span.name,
      service,
      traceId: span.traceId.toString('hex'),
      spanId: span.spanId.toString('hex'),
      parentSpanId: span.parentSpanId.toString('hex'),
      kind: span.kind,
      status: span.status?.code ?? 0,
      startedAt: milliseconds(span.start),
      endedAt: milliseconds(span.end),
      attributes: attributesOf(span.attributes),
    })),
  );
}

/** A number of nanoseconds since 1970 is exact to 256 of them only, so a whole millisecond may come as 0.9998 of one. */
function milliseconds(nanoseconds: number): number {
  return Math.round(nanoseconds / 1e3) / 1e3;
}

function attributesOf(attributes: Attribute[]): Record<string, string | number> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0] ?? '']));
}
