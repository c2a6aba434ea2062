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
  verify: {
    summary: 'check the books of the database, beside a running server or without one',
    load: () => import('./verify.ts'),
  },
  restart: {
    summary: 'replace the processes of a running server, one after another, while it serves',
    load: () => import('./restart.ts'),
  },
  tour: {
    summary: 'load a shop into a running server, replay its orders, check the books',
    load: () => import('./tour.ts'),
  },
  bench: {
    summary: 'measure this machine: Holdfast, ceilings and rivals, in one run',
    load: () => import('./bench.ts'),
  },
};
