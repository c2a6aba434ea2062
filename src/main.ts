#!/usr/bin/env bun
/**
 * argv → what runs; nothing else. Each loads only what it needs: a front never loads the Postgres client, a
 * worker never the HTTP framework, and none of the processes of a server the parser of command lines.
 */
import type { DatabaseSpec, FrontSpec, GuardSpec, WorkerSpec } from './process.ts';

const [command, ...rest] = process.argv.slice(2);
switch (command) {
  case 'worker': {
    const { runChild } = await import('./supervisor/child.ts');
    await runChild(async (spec: WorkerSpec, { say }) =>
      (await import('./worker/start-worker.ts')).startWorker(spec, say),
    );
    break;
  }
  case 'front': {
    const { runChild } = await import('./supervisor/child.ts');
    await runChild(async (spec: FrontSpec, superior) =>
      (await import('./front/front.ts')).startFront(spec, superior),
    );
    break;
  }
  case 'guard': {
    const { runChild } = await import('./supervisor/child.ts');
    await runChild(async (spec: GuardSpec) => (await import('./storage/guard.ts')).startGuard(spec));
    break;
  }
  case 'migrate': {
    const { runTask } = await import('./supervisor/child.ts');
    await runTask(async (spec: { database: DatabaseSpec; partitions: number; exposedAt?: string }) =>
      (await import('./storage/migrate.ts')).prepareDatabase(
        spec.database,
        spec.partitions,
        spec.exposedAt,
        true,
      ),
    );
    break;
  }
  default: {
    // A server that is asked for nothing else starts as directly as its children do.
    const isPlainServe = command === 'serve' && rest.length === 0;
    process.exit(
      isPlainServe
        ? await (await import('./supervisor/supervisor.ts')).serve(process.env)
        : await (await import('./cli/run.ts')).run(process.argv.slice(2)),
    );
  }
}
