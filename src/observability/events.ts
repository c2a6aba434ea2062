/**
 * Everything that is logged: the event's name, and the fields beside it. Names are `subject.what-happened`,
 * so that a line can be searched for, counted and alarmed at without reading prose.
 */
export interface Events {
  // The supervisor and what it keeps running.
  /** The server, a child or a migration did not come up. */
  'start.failed': { error: unknown };
  /** A defect of the supervisor: everything is drained. */
  'supervisor.failed': { error: unknown };
  /** This process has lost its supervisor, and ends. */
  'supervisor.gone': object;
  /** A worker or a front ended; it is started again. */
  'child.died': { child: string; pid?: number; reason: string; restartInMs: number };
  /** It is back. */
  'child.ready': { child: string; pid?: number };
  /** It says nothing and is ended by force; it is started again. */
  'child.silent': { child: string; pid?: number };
  /** A worker stays down; others have its partitions from now on. */
  'takeover.failed': { worker: number; error: unknown };
  'worker.taken-over': { worker: number; partitions: number; by: number[] };
  /** They are served by these workers. */
  'partitions.moved': { partitions: number[]; to: number[]; mapVersion: number };
  /** A rolling restart; what was restarted before it failed is. */
  'restart.begins': object;
  'restart.done': object;
  'restart.failed': { reason: string };
  /** Another server could start on the database, or has; this one goes on. */
  'database.unguarded': { reason: string };
  'database.guarded': object;
  'child.drain-failed': { child: string; pid?: number; reason: string };
  /** What did not stop in time was ended by force. */
  'stop.killed': { reason: string };
  'processes.not-written': { error: unknown };
  /** A defect of verify. */
  'verify.failed': { error: unknown };

  // The embedded database.
  'postgres.died': { reason: string; restartInMs: number };
  'postgres.ready': { pid?: number };
  'postgres.recovering': { since: string };
  'postgres.left-over': { pid: number; action: string };
  'postgres.user-created': { user: string; uid: number; gid: number };

  // A worker.
  /** Its partitions are loaded. */
  'worker.serving': { worker: number; partitions: number; loadedInMs: number };
  /** Another owner has taken its partitions; it ends. */
  'worker.fenced': { detail: string };
  /** The database did not let it take partitions that it was told to take; it is tried until it does. */
  'partitions.not-taken': { partitions: number[]; reason: string };
  /** Something that cannot be: it ends before it does harm. */
  'invariant.broken': { detail: string };
  /** Rows contradict each other. */
  'books.unbalanced': { partition: number; sku: string; location: string; reserved: number; held: number };
  /** The database did not take a commit; it is tried until it does. */
  'commit.failed': { reason: string };
  /** The database takes commits again. */
  'commit.resumed': { after: string | undefined };
  /** What retention has deleted, since the last time. */
  'prune.done': { keys: number; entries: number; reservations: number };
  /** It is tried again. */
  'prune.failed': { reason: string };
  /** The database did not answer a search; another worker is asked. */
  'search.failed': { reason: string };
  /** Bytes came that no front or worker sends. */
  'link.malformed': { worker: number; reason: string };
  'link.failed': { reason: string; stack: string | undefined };

  // Who gets in.
  /** The command line has made a key, or revoked one; never with its secret. */
  'admin.key-created': {
    id: string;
    name: string;
    scopes: string[];
    expiresAt?: string;
    rate?: string;
    by: string;
  };
  'admin.key-revoked': { id: string; by: string };
  /** From now on, this front lets these in, and those no longer. */
  'admin.keys-changed': { added: string[]; removed: string[]; usable: number };
  /** A call that only `admin` may make, and that is not a read; absent `apiKey`: nobody needs one here. */
  'admin.called': OfRequest & { apiKey?: string; status: number };
  /** The database does not tell a worker the keys, or no worker tells a front; what it knew is in force. */
  'keys.not-read': { reason: string };

  // Traces.
  /** A collector does not take spans; said once a minute. */
  'traces.not-exported': { reason: string };
  'traces.unknown-sampler': { sampler: string; allowed: string[] };

  // The dashboard.
  /** A defect met it; its viewers connect again. */
  'dashboard.failed': { error: unknown };

  // A request.
  /** A defect met it; it was answered with 500. */
  'request.failed': OfRequest & { error: unknown };
  /** The same for one reservation of a batch; the others go on. */
  'reservation.failed': { requestId: string; error: unknown };
  /** One line a request, at level debug. */
  'request.served': OfRequest & { apiKey?: string; route: string; status: number; durationMs: number };
}

/** What every line about a request has. */
interface OfRequest {
  requestId: string;
  /** Of its caller's trace, if it has one. */
  traceId?: string;
  method: string;
  path: string;
}
