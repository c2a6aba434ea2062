/**
 * Every bound of Holdfast, in one place, and the assertions that relate them.
 * A queue without a line here is a defect (invariant I8).
 */

/** Partitions of a new database, unless HOLDFAST_PARTITIONS says otherwise. */
export const PARTITIONS_DEFAULT = 256;
/** A partition number travels as u16 and lives in the last two bytes of a reservation id. */
export const PARTITIONS_MAX = 4096;

export const WORKERS_MAX = 64;

/** UTF-8 bytes of a SKU or a location. */
export const KEY_BYTES_MAX = 128;
/** UTF-8 bytes of a caller's `reference`. */
export const REFERENCE_BYTES_MAX = 255;
/** Units in one line, one count or one limit: the largest Int32. */
export const QUANTITY_MAX = 2_147_483_647;
/** UTF-8 bytes of the reason for an adjustment. */
export const REASON_BYTES_MAX = 255;
export const LINES_MAX = 100;
export const SKUS_PER_QUERY_MAX = 1000;
/** Locations that one SKU may be stocked at; a level lookup walks them. */
export const LEVELS_PER_SKU_MAX = 1000;
export const EXPIRES_IN_SECONDS_DEFAULT = 900;
export const EXPIRES_IN_SECONDS_MAX = 2_592_000;

/** Locations that a request may name for sourcing. */
export const SOURCING_LOCATIONS_MAX = 100;

/** Reservations on one page of a search. */
export const RESERVATIONS_PER_PAGE_DEFAULT = 20;
export const RESERVATIONS_PER_PAGE_MAX = 100;
/** Allocations on one page of a search: a page with more of them ends earlier, but has one reservation at least. */
export const ALLOCATIONS_PER_PAGE_MAX = 20_000;
/** Entries on one page of a ledger. */
export const ENTRIES_PER_PAGE_DEFAULT = 100;
export const ENTRIES_PER_PAGE_MAX = 1000;

export const BODY_BYTES_MAX = 1024 * 1024;
/** Wrong fields that one answer names; a body with more of them is told about the first. */
export const FAULTS_MAX = 100;

/** UTF-8 bytes of a caller's idempotency key. */
export const IDEMPOTENCY_KEY_BYTES_MAX = 255;
/** Imports, exports and batches that one front serves at once; each holds as much as the bounds below allow. */
export const BULK_CALLS_MAX = 16;
/** Imports and batches of one front that wait for another with their Idempotency-Key: beside those, for each keeps as much. */
export const KEY_WAITS_MAX = 16;
/** Reservations in one batch, and bytes of its body. */
export const BATCH_RESERVATIONS_MAX = 10_000;
export const BATCH_BODY_BYTES_MAX = 16 * 1024 * 1024;
/**
 * Lines of reservations that all batches of a front have on their way at once: enough to fill commits,
 * and few enough that others find room in the links and mailboxes that they go through.
 */
export const BATCH_LINES_IN_FLIGHT_MAX = 4096;
/** Bytes of a line of an import. A file of any size may have any number of them. */
export const IMPORT_LINE_BYTES_MAX = 4096;
/** Rows of one import that a front has read and that are not committed; then it stops reading. */
export const IMPORT_ROWS_HELD_MAX = 32_768;

/** One frame between a front and a worker. A reservation whose every line is split over all levels of its SKU must fit. */
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes a link may hold unsent before it refuses more. */
export const LINK_UNSENT_BYTES_MAX = 16 * 1024 * 1024;
/** Requests a link may have unanswered before it refuses more. */
export const LINK_REQUESTS_MAX = 16_384;

/** Commands one partition may hold that are not yet durable. */
export const MAILBOX_COMMANDS_MAX = 8192;
/**
 * How long a command may take from its coming to its being durable, by the rate at which others do, while each batch has been
 * late for some time; beyond it, new ones are refused. So many are always taken in.
 */
export const ADMITTED_WAIT_MS = 1000;
export const STANDING_MS = 250;
export const ADMITTED_MIN = 512;
/** So many, until it is known that the database does not keep up: what the next commit may have. */
export const ADMITTED_AT_FIRST_MIN = 1024;
/** The same for what ends a reservation: its units are held until it does. */
export const ADMITTED_CLOSING_WAIT_MS = 2 * ADMITTED_WAIT_MS;
/** And for rows of an import, which asks again and leaves room for others; so many a second are taken in whatever else waits. */
export const ADMITTED_IMPORT_WAIT_MS = STANDING_MS;
export const ADMITTED_IMPORT_ROWS_PER_SECOND = 256;
/** A batch is late that a command has waited for so long, beside what the commits before it need; one that leaves some behind always is. */
export const LATE_MS = 100;
/** While new ones are refused, a commit of so few commands, and alone, shows how long one takes at least; and so often. */
export const PROBE_COMMANDS = 16;
export const PROBE_EVERY_MS = 30_000;
/** How long commits must be on their way until the rate is known; and the most that one is taken to need, however small it is. */
export const RATE_WINDOW_MS = 500;
export const COMMIT_LEAST_MS_MAX = 1000;
/** Commands that one commit may carry. */
export const BATCH_COMMANDS_MAX = 1024;
/**
 * Of what has come due, where the batch before had no more commands than that: so a burst of it keeps no command waiting for
 * long. It takes Postgres 1 to 5 ms of a core.
 */
export const BATCH_DUE_MAX = 128;
/** Commits on their way at once on one lane: one that Postgres executes, one behind it in the socket. */
export const COMMITS_IN_FLIGHT_MAX = 2;

/** Rows of an import in one message to a worker, who decides them in one go: nobody else is served meanwhile. */
export const IMPORT_ROWS_PER_MESSAGE_MAX = 256;
/** Levels in one answer of an export. */
export const EXPORT_LEVELS_PER_PAGE = 1000;

/**
 * Rows of one import that are on their way to one worker: a batch to decide, behind those that are being
 * committed. More would not be faster, and a reservation would have to wait behind it.
 */
export const IMPORT_ROWS_IN_FLIGHT_MAX = BATCH_COMMANDS_MAX * (COMMITS_IN_FLIGHT_MAX + 1);

/** One line of a hold in so many is looked at for which SKUs are hot, into so many counters of a worker. */
export const HOT_SAMPLE = 8;
export const HOT_SKUS_TRACKED = 64;
/** How many of them a worker tells; and after how long a line weighs only a third of a new one. */
export const HOT_SKUS_TOLD = 12;
export const HOT_FADE_MS = 5000;
/** Viewers of the dashboard that one front serves at once. */
export const DASHBOARD_VIEWERS_MAX = 16;
/** How often they are told, and for how many times back a new one sees curves. */
export const DASHBOARD_EVERY_MS = 1000;
export const DASHBOARD_POINTS_MAX = 300;

/** Commits of a lane, each second, that name a trace in their statement, for which it is planned anew. */
export const TRACED_COMMITS_PER_SECOND = 10;
/** Connections that a worker commits over; a partition always uses the same one. */
export const COMMIT_LANES = 1;
/** Connections of a worker for reads, none of which a commit waits for. */
export const READS_AT_ONCE = 2;
/** Connections of a worker for searches, which may be slow: neither a commit nor another read waits for one. */
export const SEARCHES_AT_ONCE = 2;
/** Searches that a worker keeps waiting for one of these connections. */
export const SEARCHES_WAITING_MAX = 64;

/** How long a request may take before its caller is told that the outcome is unknown. */
export const REQUEST_DEADLINE_MS = 10_000;
/** How long a lane waits for the answer to a commit before it takes the connection for lost and asks what landed. */
export const COMMIT_ANSWER_MS = 12_000;
/** How long a commit waits in Postgres behind another that has its rows. */
export const LOCK_WAIT_MS = 5000;
/** How long Postgres looks for what a search asks before it gives up. */
export const SEARCH_STATEMENT_MS = 3000;
/** How long a search may take, with all its statements, before its connection is taken for lost. */
export const SEARCH_ANSWER_MS = 8000;
/** How long a request's body may take to arrive. */
export const BODY_DEADLINE_MS = 10_000;
/** How often the supervisor looks after its workers, and after how many unanswered pings a worker is taken for stuck. */
export const WATCH_EVERY_MS = 500;
export const SILENT_PINGS = 20;
/** A worker that dies so often within so long, or does not serve for so long, loses its partitions to the others. */
export const DEATHS_MAX = 4;
export const DEATHS_WITHIN_MS = 10_000;
export const DOWN_MS = 10_000;
/** How long a front that is to be replaced says so before it stops: longer than a balancer takes to notice. */
export const FRONT_NOTICE_MS = 3000;
/** How long a front that was replaced may take to finish what it has. */
export const FRONT_DRAIN_MS = 15_000;
/** How long a process may take to start that has nothing to load, and a rolling restart waits for. */
export const STARTED_WITHIN_MS = 10_000;
/** How long a rolling restart waits for a worker to come back. */
export const RESTARTED_WITHIN_MS = 120_000;
/** Bytes of a command at the control socket. */
export const CONTROL_LINE_BYTES_MAX = 1024;
/** How long a start waits for another server to let go of its database, and how often one looks whether it still has it. */
export const GUARD_WAIT_MS = 3000;
export const GUARD_EVERY_MS = 1000;
export const GUARD_ANSWER_MS = 5000;
/** How long a front asks again where a partition is moving or its worker starting, before it says so. */
export const UNAVAILABLE_WAIT_MS = 5000;
/** Requests of a front to one worker that wait to be asked again; beyond it, they are answered at once. */
export const REQUESTS_AGAIN_MAX = 4096;
/** Partitions that a worker gives up at once when it hands over many: each is out of reach until all of them are loaded. */
export const MOVED_AT_ONCE = 16;
/** Orders to move a partition that wait for their turn. */
export const MOVES_WAITING_MAX = 64;
/** How long the caller of a move waits for it. It goes on. */
export const MOVE_WAIT_MS = 30_000;
/** How long the orders behind it wait while a worker loads partitions. It goes on loading. */
export const LOADING_TURN_MS = 30_000;
/** How long an import, export or batch asks a partition again that does not answer or has no room, before it gives up on it. */
export const BULK_RETRY_MS = 30_000;
/** How often a front looks for what ran out of time: the most by which it gives up too late. */
export const SWEEP_MS = 100;
/** How long a front waits for participants to let go of what will never be, before it answers. */
export const SETTLE_WAIT_MS = 1000;
/** How long a front waits for a worker to say how it is. */
export const STATUS_WAIT_MS = 1000;
/** How long the supervisor waits for its children's metrics, and a front for the supervisor. */
export const REPORT_WAIT_MS = 1000;
export const GATHER_WAIT_MS = 2000;
/** How often a worker asks whether the database answers, and how long it takes silence for an answer that is late. */
export const PING_EVERY_MS = 1000;
export const PING_WAIT_MS = 1000;
/** API keys that are not revoked: every front has all of them in memory, and reads them again and again. */
export const API_KEYS_MAX = 1000;
/** Characters of the name of an API key. */
export const API_KEY_NAME_CHARACTERS_MAX = 100;
/**
 * How often a front asks for the API keys, how often while it does not know them yet, and how long for: a key that is
 * made or revoked is so everywhere by the sum of the first and the last.
 */
export const API_KEYS_EVERY_MS = 1000;
export const API_KEYS_FIRST_MS = 25;
export const API_KEYS_WAIT_MS = 1000;
/** How long a front that is started waits for them before it listens: without a worker, it is to say so. */
export const API_KEYS_BEFORE_LISTENING_MS = 1000;
/** Requests in the rate of an API key, whatever they are counted by. */
export const RATE_REQUESTS_MAX = 1_000_000;
/** How long a worker waits for such an answer before it asks over another connection. */
export const PING_ANSWER_MS = 5000;
/** How long the database may be away before commands are refused at once, rather than kept waiting for it. */
export const DATABASE_AWAY_MS = 2000;
/** How long a connection without traffic stays open; longer than a load balancer keeps its own. */
export const IDLE_CONNECTION_SECONDS = 180;
/** How long a worker that drains waits for what is decided and not yet answered, and how often it looks. */
export const DRAIN_ANSWERS_MS = 5000;
export const DRAIN_POLL_MS = 5;
/** A participant that has heard nothing of a reservation for this long asks its home. */
export const ASK_HOME_AFTER_MS = 15_000;
/** How long a home remembers that a reservation never happened. */
export const TOMBSTONE_MS = 60_000;
/** Allocations that can be taken again after their reservation has expired. */
export const REHOLD_ALLOCATIONS_MAX = 10_000;
/** How long an Idempotency-Key stays claimed by a front that does not release it: longer than any request takes. */
export const CLAIM_MS = 30_000;
/** How often a front says that a call with a key goes on: an import or a batch may take longer than that. */
export const CLAIM_PROLONGED_EVERY_MS = 8000;
/** How long an import or a batch waits for an earlier one with the same key, before its caller is to send it again. */
export const KEY_WAIT_MS = 45_000;
/** How long it may take to hear that a key is free: whoever has not heard by then waits for another call. */
export const KEY_AT_ONCE_MS = 100;
/** Idempotency-Keys that a partition remembers; beyond it, requests with new keys are refused. */
export const KEYS_PER_PARTITION_MAX = 4_194_304;
/** How long units are held that are to be sold at once: longer than a request may take. */
export const REHOLD_MS = 60_000;
/** How long an Idempotency-Key is remembered, unless HOLDFAST_KEY_HOURS says otherwise. */
export const KEY_HOURS_DEFAULT = 24;
/** Keys of a partition that are looked at in a tick of the wheel, to forget the old ones. */
export const KEYS_SWEPT_AT_ONCE = 64;
/** Characters of an Idempotency-Key. */
export const KEY_CHARACTERS_MAX = 255;
/** Characters of a caller's X-Request-Id. */
export const REQUEST_ID_CHARACTERS_MAX = 128;
/** Resolution of the expiry wheel. */
export const WHEEL_TICK_MS = 64;
/** How long a home's word that a reservation never happened stays in the database, where memory no longer has it. */
export const NEVER_KEPT_MS = 3_600_000;
/** How much longer than it is remembered a key stays in the database: memory lets go of keys in its own time. */
export const KEYS_LINGER_MS = 3_600_000;
/** Rows that one statement deletes because they are old; small, so that no commit waits for its disk or its locks. */
export const PRUNE_ROWS_MAX = 1000;
/** Pages of the ledger that one statement looks at for that. */
export const PRUNE_PAGES_MAX = 256;
/** How long a worker waits after each such statement, and after it has been through all of its partitions. */
export const PRUNE_PAUSE_MS = 25;
export const PRUNE_EVERY_MS = 60_000;
/** How long after a decision a participant may still not have heard of it before `verify` mentions it. */
export const VERIFY_GRACE_MS = 60_000;

function relate(holds: boolean, relation: string): void {
  if (!holds) throw new Error(`limits.ts: ${relation}`);
}
relate(PARTITIONS_MAX <= 65_535, 'a partition fits u16');
relate(LINES_MAX <= 255, 'a line index fits u8');
relate(KEY_BYTES_MAX <= 255 && REFERENCE_BYTES_MAX <= 255, 'a key length fits u8');
relate(LEVELS_PER_SKU_MAX * (2 * KEY_BYTES_MAX + 64) < FRAME_BYTES_MAX, 'all levels of a SKU fit a frame');
relate(
  LINES_MAX * (LEVELS_PER_SKU_MAX + 2) * (KEY_BYTES_MAX + 16) < FRAME_BYTES_MAX,
  'a reservation split over all levels of its SKUs fits a frame',
);
relate(
  ALLOCATIONS_PER_PAGE_MAX * (KEY_BYTES_MAX + 8) +
    RESERVATIONS_PER_PAGE_MAX * (REFERENCE_BYTES_MAX + 128 + LINES_MAX * (KEY_BYTES_MAX + 16)) <
    FRAME_BYTES_MAX,
  'a page of several reservations fits a frame',
);
relate(
  ENTRIES_PER_PAGE_MAX * (KEY_BYTES_MAX + REASON_BYTES_MAX + REFERENCE_BYTES_MAX + 128) +
    (LEVELS_PER_SKU_MAX + 1) * 8 <
    FRAME_BYTES_MAX,
  'a page of a ledger fits a frame',
);
relate(
  STANDING_MS * (COMMITS_IN_FLIGHT_MAX + 1) < ADMITTED_WAIT_MS,
  'a lane that takes in as much as it may still shows that it does not keep up',
);
relate(
  ADMITTED_AT_FIRST_MIN >= BATCH_COMMANDS_MAX,
  'a database that stood still for a moment finds its next commit full',
);
relate(
  2 * (ADMITTED_CLOSING_WAIT_MS + 2 * COMMIT_LEAST_MS_MAX) < REQUEST_DEADLINE_MS,
  'what is taken in is durable in time, also when the rate falls by half',
);
relate(BATCH_DUE_MAX < BATCH_COMMANDS_MAX, 'a batch has room for commands beside what is due');
relate(BATCH_COMMANDS_MAX <= MAILBOX_COMMANDS_MAX, 'a mailbox can fill a batch');
relate(IMPORT_ROWS_PER_MESSAGE_MAX <= BATCH_COMMANDS_MAX, 'a batch has room for a part of an import');
relate(
  EXPORT_LEVELS_PER_PAGE * (2 * KEY_BYTES_MAX + 64) < FRAME_BYTES_MAX,
  'a page of an export fits a frame',
);
relate(LINES_MAX <= BATCH_LINES_IN_FLIGHT_MAX, 'every reservation of a batch has its turn');
relate(
  BATCH_LINES_IN_FLIGHT_MAX * 2 <= Math.min(MAILBOX_COMMANDS_MAX, LINK_REQUESTS_MAX),
  'batches leave room for others in mailboxes and links',
);
relate(
  IMPORT_LINE_BYTES_MAX > 2 * 6 * KEY_BYTES_MAX + 200,
  'a line has room for two keys, each byte of them written as an escape',
);
relate(
  IDLE_CONNECTION_SECONDS * 1000 > BULK_RETRY_MS + 2 * REQUEST_DEADLINE_MS,
  'a connection outlives an import or export that asks again',
);
relate(LINK_REQUESTS_MAX >= MAILBOX_COMMANDS_MAX, 'a link can fill a mailbox');
relate(
  IDLE_CONNECTION_SECONDS * 1000 > BODY_DEADLINE_MS + REQUEST_DEADLINE_MS + SETTLE_WAIT_MS + 3 * SWEEP_MS,
  'a connection outlives the answer that it waits for',
);
relate(
  API_KEYS_MAX * (6 * API_KEY_NAME_CHARACTERS_MAX + 400) < FRAME_BYTES_MAX,
  'all API keys fit a frame, with names of characters that JSON escapes',
);
relate(UNAVAILABLE_WAIT_MS < REQUEST_DEADLINE_MS, 'what was asked again has time to be done');
relate(LOADING_TURN_MS >= MOVE_WAIT_MS, 'a move that takes long is not called refused');
relate(MOVE_WAIT_MS < IDLE_CONNECTION_SECONDS * 1000, 'a connection outlives the move that it waits for');
relate(GATHER_WAIT_MS > REPORT_WAIT_MS, 'the supervisor answers without those that do not report');
relate(ASK_HOME_AFTER_MS > REQUEST_DEADLINE_MS, 'a participant asks only after the front has given up');
relate(REHOLD_ALLOCATIONS_MAX <= 65_535, 'a line of a rehold fits u16');
relate(
  REHOLD_ALLOCATIONS_MAX * (2 * KEY_BYTES_MAX + 16) < FRAME_BYTES_MAX,
  'everything that is taken again fits a frame',
);
relate(CLAIM_MS > 2 * REQUEST_DEADLINE_MS + SETTLE_WAIT_MS, 'a claim outlives the request that has it');
relate(
  CLAIM_MS > 2 * CLAIM_PROLONGED_EVERY_MS + REQUEST_DEADLINE_MS,
  'a call that goes on keeps its claim, also where it can say so only the second time',
);
relate(
  IDLE_CONNECTION_SECONDS * 1000 >
    KEY_WAIT_MS + REQUEST_DEADLINE_MS + 2 * BULK_RETRY_MS + 3 * REQUEST_DEADLINE_MS + 7 * SWEEP_MS,
  'a connection outlives an import that waits for its key, asks again for its last rows, and then for what is written down of it',
);
relate(
  IDLE_CONNECTION_SECONDS * 1000 >
    KEY_WAIT_MS +
      2 * REQUEST_DEADLINE_MS +
      BULK_RETRY_MS +
      3 * REQUEST_DEADLINE_MS +
      SETTLE_WAIT_MS +
      UNAVAILABLE_WAIT_MS +
      REQUEST_DEADLINE_MS +
      9 * SWEEP_MS,
  'a connection outlives a batch that waits for its key, asks again for its last reservation, and then for what is written down of it',
);
relate(KEY_AT_ONCE_MS < KEY_WAIT_MS, 'a call that waits for its key is known to wait');
relate(REHOLD_MS > ASK_HOME_AFTER_MS, 'what is reheld outlives the question what became of it');
relate(HOT_SKUS_TOLD <= Math.min(HOT_SKUS_TRACKED, 255), 'the hot SKUs fit u8');
relate(COMMIT_ANSWER_MS > LOCK_WAIT_MS, 'a commit that waits for a lock is answered');
relate(DATABASE_AWAY_MS < REQUEST_DEADLINE_MS, 'whoever asks a database that is away hears of it in time');
relate(PING_WAIT_MS < PING_ANSWER_MS, 'a silent database is noticed before its connection is given up');
relate(SEARCH_STATEMENT_MS < SEARCH_ANSWER_MS, 'a statement that takes too long ends before its connection');
relate(SEARCH_ANSWER_MS < REQUEST_DEADLINE_MS, 'the caller of a search that takes too long hears of it');
relate(VERIFY_GRACE_MS > 2 * ASK_HOME_AFTER_MS, 'what verify mentions, a participant has asked about');
relate(NEVER_KEPT_MS > 2 * TOMBSTONE_MS, 'what a start must know of is not deleted');
relate(TOMBSTONE_MS > 2 * REQUEST_DEADLINE_MS, 'a tombstone outlives every command that it must refuse');
