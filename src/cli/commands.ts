/** Every command, in the order in which help shows them; its module is loaded only when it is used. */
import type { Define } from './command.ts';

interface Listed {
  summary: string;
  load(): Promise<{ define: Define }>;
}

export const COMMANDS: Record<string, Listed> = {
  serve: {
    summary: 'start everything: Postgres, workers, fronts; Ctrl-C drains and stops them',
    load: () => import('./serve.ts'),
  },
  status: {
    summary: 'show how a running server is: partitions, workers, rates',
    load: () => import('./status.ts'),
  },
  top: {
    summary: 'show the same, live',
    load: () => import('./top.ts'),
  },
  import: {
    summary: 'set stock levels from a CSV or NDJSON file of any size',
    load: () => import('./import.ts'),
  },
  export: {
    summary: 'write every stock level to a CSV or NDJSON file',
    load: () => import('./export.ts'),
  },
  verify: {
    summary: 'check the books of the database, beside a running server or without one',
    load: () => import('./verify.ts'),
  },
  keys: {
    summary: 'make, list and revoke the API keys that callers need as soon as there is one',
    load: () => import('./keys.ts'),
  },
  tour: {
    summary: 'load a shop into a running server, replay its orders, check the books',
    load: () => import('./tour.ts'),
  },
  bench: {
    summary: 'measure this machine: Holdfast, ceilings and rivals, in one run',
    load: () => import('./bench.ts'),
  },
  completion: {
    summary: 'print the script that completes commands in bash, zsh or fish',
    load: () => import('./completion.ts'),
  },
};
