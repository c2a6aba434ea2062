/**
 * argv → command; nothing else. Each command loads only what it needs: a front never loads the
 * Postgres client, a worker never the HTTP framework.
 */
import type { DatabaseSpec, FrontSpec, GuardSpec, WorkerSpec } from './process.ts';

const HELP = `Holdfast reserves inventory and never promises the same unit twice.

  bun run start     starts everything: Postgres, workers, fronts; Ctrl-C drains and stops them
  bun run verify    checks the books of the database, beside a running server or without one: exit code 0 when
                    they balance, 1 when not, 2 when it could not find out
      --repair      then asks, and corrects by entries of the ledger what these can correct; not beside a server
      --yes         does not ask
  bun src/main.ts restart --rolling
                    has the server that runs on HOLDFAST_DATA_DIR replace its processes, one after another, while it
                    serves: exit code 0 when it has, 1 when not, 2 when no server runs
  bun run test      runs the tests
  bun run tour      loads a shop into a running server, replays its orders, checks the books
  bun run bench     runs the benchmarks

Settings, as environment variables:
`;

const [first = 'serve', ...rest] = process.argv.slice(2);
// `bun run start --help` arrives as `serve --help`; a server takes settings, and no arguments.
const asksForHelp = rest[0] === '--help' || rest[0] === '-h';
const command = first === 'serve' || asksForHelp ? (rest[0] ?? first) : first;
switch (command) {
  case 'serve': {
    const { serve } = await import('./supervisor/supervisor.ts');
    process.exit(await serve(process.env));
    break;
  }
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
    await runTask(async (spec: { database: DatabaseSpec; partitions: number }) =>
      (await import('./storage/migrate.ts')).prepareDatabase(spec.database, spec.partitions),
    );
    break;
  }
  case 'verify': {
    const { verify } = await import('./verify/verify.ts');
    process.exit(await verify(rest, process.env));
    break;
  }
  case 'restart': {
    const { restart } = await import('./supervisor/restart.ts');
    process.exit(await restart(rest, process.env));
    break;
  }
  case '--help':
  case '-h':
  case 'help': {
    const { settingsHelp } = await import('./config.ts');
    console.log(HELP + settingsHelp());
    break;
  }
  default:
    console.error(
      `holdfast: ${JSON.stringify(command)} is not a command; there are serve, verify, restart, tour, test, bench and --help`,
    );
    process.exit(1);
}
