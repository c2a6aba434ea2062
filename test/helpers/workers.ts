/**
 * The workers of a running server without its fronts: the same frames over the same sockets, for what
 * no HTTP request can do, such as arriving late. Also second owners of partitions, which only a test makes.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSpec, FromChild, WorkerSpec } from '../../src/process.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import { evenMap, partitionOf } from '../../src/routing/partition-map.ts';
import { connect, type Link } from '../../src/wire/link.ts';
import type { HoldRequest } from '../../src/wire/messages.ts';
import { REPOSITORY, type TestServer, until } from './server.ts';

const PARTITIONS = 256;
const DEADLINE_MS = 10_000;
const CONNECT_MS = 5000;
const READY_MS = 10_000;

const ids = new ReservationIds();

function socketOf(server: TestServer, name: string): string {
  const folder = join(server.home.dataDir, 'run');
  if (!existsSync(folder))
    throw new Error(`the sockets are not in ${folder}: is the temporary folder's path long?`);
  return join(folder, name);
}

/** A link to a worker, as its fronts have one. The caller closes it. */
export async function linkTo(server: TestServer, socket = 'worker-0.sock'): Promise<Link> {
  const path = socketOf(server, socket);
  const link = connect(path);
  await until(
    () => link.connected,
    CONNECT_MS,
    () => `no connection to ${path}`,
  );
  return link;
}

export function deadline(): number {
  return Date.now() + DEADLINE_MS;
}

export function newId(home: number): string {
  return ids.next(Date.now(), home);
}

/** A hold of one unit of a SKU, as a front sends it. */
export function holdOf(sku: string, more: Partial<HoldRequest> = {}): HoldRequest {
  const partition = partitionOf(sku, PARTITIONS);
  const home = more.home ?? partition;
  return {
    kind: 'hold',
    partition,
    deadline: deadline(),
    id: newId(home),
    role: 'decide',
    home,
    participants: [],
    mode: 'all',
    refused: [],
    createdAt: Date.now(),
    expiresAt: Date.now() + 3_600_000,
    strategy: 'most-available',
    locations: [],
    lines: [{ line: 0, sku, quantity: 1 }],
    ...more,
  };
}

export interface Intruder {
  /** The name of its socket. */
  socket: string;
  exited: Promise<number>;
  stop(): Promise<void>;
}

/** Starts a second worker 0 by hand: it takes the partitions of the first one, and listens elsewhere. */
export async function startIntruder(server: TestServer): Promise<Intruder> {
  const socket = 'intruder.sock';
  const sockets = [socketOf(server, socket), socketOf(server, 'worker-1.sock')];
  const embedded: DatabaseSpec = {
    socketFolder: join(server.home.dataDir, 'run'),
    port: 5432,
    user: 'holdfast',
    database: 'postgres',
  };
  const spec: WorkerSpec = {
    role: 'worker',
    worker: 0,
    database: server.home.databaseUrl === undefined ? embedded : { url: server.home.databaseUrl },
    map: evenMap(1, PARTITIONS, sockets),
    retention: { keysMs: 86_400_000 },
  };
  const ready = Promise.withResolvers<void>();
  const main = join(REPOSITORY, 'src', 'main.ts');
  const child = Bun.spawn([process.execPath, main, 'worker', '0', server.home.dataDir], {
    env: { ...process.env, HOLDFAST_SPEC: JSON.stringify(spec) },
    stdio: ['ignore', 'ignore', 'ignore'],
    serialization: 'json',
    ipc: (message: FromChild) => {
      if (message.type === 'ready') ready.resolve();
      else ready.reject(new Error(message.message));
    },
  });
  const late = setTimeout(() => ready.reject(new Error('the second worker is not ready')), READY_MS);
  await ready.promise.finally(() => clearTimeout(late));
  return {
    socket,
    exited: child.exited,
    async stop() {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}
