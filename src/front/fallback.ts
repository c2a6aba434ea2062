/** What no route takes: paths that do not exist, methods that a path does not have, OPTIONS. */
import { problem } from './problems.ts';

interface Route {
  method: string;
  path: string;
}

/** @returns the answer to any request for which there is no route of its own */
export function fallback(routes: readonly Route[]): (request: Request) => Response {
  const methodsByPath = new Map<string, Set<string>>();
  for (const { method, path } of routes) {
    const methods = methodsByPath.get(path) ?? new Set(['OPTIONS']);
    methods.add(method);
    if (method === 'GET') methods.add('HEAD');
    methodsByPath.set(path, methods);
  }
  const paths = [...methodsByPath].map(([path, methods]) => ({ segments: path.split('/'), methods }));

  return (request) => {
    const { pathname } = new URL(request.url);
    const segments = pathname.split('/');
    const methods = paths.filter((path) => matches(path.segments, segments)).map((path) => path.methods);
    if (methods.length === 0)
      return problem('not-found', { detail: 'There is nothing at this path; /swagger shows what there is.' });
    const allow = [...new Set(methods.flatMap((some) => [...some]))].sort().join(', ');
    if (request.method === 'OPTIONS') return new Response(null, { status: 204, headers: { allow } });
    return problem('method-not-allowed', {
      detail: `This path does not have ${request.method}; it has ${allow}.`,
      headers: { allow },
    });
  };
}

function matches(pattern: string[], segments: string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, i) => (part.startsWith(':') ? segments[i] !== '' : part === segments[i]))
  );
}
