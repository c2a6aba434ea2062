/** What is killed comes back, and what a killed supervisor leaves behind does not stand in the way. */
import { afterEach, expect, test } from 'bun:test';
import { type Home, makeHome, processesOf, startServer, type TestServer, until } from '../helpers/server.ts';

const SLOW_MS = 60_000;
const embedded = process.env.DATABASE_URL === undefined || process.env.DATABASE_URL === '';
let home: Home | undefined;
let server: TestServer | undefined;

afterEach(async () => {
  await server?.kill9();
  await home?.remove();
  home = server = undefined;
});

async function started(env?: Record<string, string>): Promise<TestServer> {
  home ??= await makeHome();
  server = await startServer({ home, env });
  return server;
}

function ready(server: TestServer): Promise<void> {
  const answers = async (): Promise<boolean> =>
    (await fetch(`${server.url}/readyz`).catch(() => undefined))?.status === 200;
  return until(answers, 20_000, server.output);
}

test(
  'a worker and a front',
  async () => {
    const server = await started();
    const { workerPids: worker, frontPids: front } = server;
    for (const pids of [worker, front]) {
      const [before] = pids();
      process.kill(before, 'SIGKILL');
      await until(() => pids().length === 1 && pids()[0] !== before, 10_000, server.output);
      await ready(server);
    }
    expect(server.output().match(/"event":"child.died"/g)?.length).toBe(2);
    await server.stop();
  },
  SLOW_MS,
);

test.if(embedded)(
  'Postgres, while its own processes still end',
  async () => {
    const server = await started();
    const before = server.postgresPid()!;
    process.kill(before, 'SIGKILL');
    await until(
      () => server.postgresPid() !== undefined && server.postgresPid() !== before,
      20_000,
      server.output,
    );
    await until(() => server.output().includes('"event":"postgres.ready"'), 20_000, server.output);
    await ready(server);
    await server.stop();
  },
  SLOW_MS,
);

test(
  'everything at once, then a new start on the same data folder',
  async () => {
    const first = await started();
    await first.kill9();
    const second = await started();
    expect((await fetch(`${second.url}/livez`)).status).toBe(200);
    await second.stop();
  },
  SLOW_MS,
);

test(
  'the supervisor alone: its children end, and the next start takes over port and database',
  async () => {
    const first = await started();
    const orphan = first.postgresPid();
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    // At once: children and database of the first are still there.
    server = await startServer({ home, env: { PORT: String(first.port) } });
    if (embedded) {
      expect(server.output()).toContain('"event":"postgres.left-over"');
      expect(server.postgresPid()).not.toBe(orphan);
    }
    expect(
      processesOf(home!.dataDir).filter(({ command }) => command.includes('main.ts worker')),
    ).toHaveLength(server.workerPids().length);
    await server.stop();
  },
  SLOW_MS,
);

test(
  'the children of a killed supervisor do not wait for a next one',
  async () => {
    const server = await started();
    process.kill(server.pid, 'SIGKILL');
    const children = (): unknown[] =>
      processesOf(home!.dataDir).filter(({ command }) => command.includes('main.ts'));
    await until(
      () => children().length === 0,
      3000,
      () => JSON.stringify(children()),
    );
  },
  SLOW_MS,
);
