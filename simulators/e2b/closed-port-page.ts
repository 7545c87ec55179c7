/** The page that E2B shows in a browser for a port on which nothing listens. */
import type { IncomingMessage } from 'node:http';

export function isBrowser({ headers }: IncomingMessage): boolean {
  return /mozilla|chrome|safari|firefox|edge|opera/i.test(headers['user-agent'] ?? '');
}

/** Inserts the values without escaping: the caller has checked that they are an id and a number. */
export function closedPortPage(sandboxId: string, port: number): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Closed Port Error</title></head>
<body>
<h1>Closed port</h1>
<p>The sandbox <code>${sandboxId}</code> is running, but nothing listens on its port <code>${port}</code>.</p>
</body>
</html>
`;
}
