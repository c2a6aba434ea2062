/**
 * `verify`: do the books of a database balance? It recomputes every level from the ledger and from the open
 * reservations, and compares; storage/book-rules.ts has the rules, one by one.
 *
 * It finds its database as a server does, and may run beside one. Where no server runs on the data folder, it
 * starts the embedded Postgres for as long as it takes. Ends with 0 when the books balance, 1 when they don't,
 * 2 when it could not find out.
 *
 * `--repair` shows what it found, asks, and corrects what an entry of the ledger can correct; what is trusted then
 * stands in storage/correct-books.ts. Not while a server runs: it would go on from what it has in memory.
 */
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { databasePlace, readSettings, type Settings, WrongSetting } from '../config.ts';
import { identify, log } from '../observability/log.ts';
import { checkBooks } from '../storage/check-books.ts';
import { correctBooks, countCorrections, workersOf } from '../storage/correct-books.ts';
import { Fenced, failureText, isDatabaseError, openDatabase, type Sql } from '../storage/database.ts';
import { DatabaseRefused, requireAnswer, requireMigrated } from '../storage/migrate.ts';
import { type BorrowedDatabase, borrowDatabase } from '../supervisor/borrowed-database.ts';
import { DataFolder } from '../supervisor/data-folder.ts';
import { StartRefused } from '../supervisor/refusal.ts';
import { count, Report } from './report.ts';

const BALANCED = 0;
const NOT_BALANCED = 1;
const NOT_RUN = 2;

/** Why there is no result; the message is one line for an operator. */
class VerifyRefused extends Error {}

export interface RepairOptions {
  repair: boolean;
  /** Write without asking. */
  yes: boolean;
}

/** @returns the exit code */
export async function verify(
  options: RepairOptions,
  env: Record<string, string | undefined>,
): Promise<number> {
  identify('verify');
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stopping.abort());
  try {
    requireSense(options);
    return await run(options, readSettings(env), stopping.signal);
  } catch (error) {
    console.error(`holdfast: ${stopping.signal.aborted ? 'verify was stopped' : reasonOf(error)}`);
    return NOT_RUN;
  }
}

function requireSense({ repair, yes }: RepairOptions): void {
  if (yes && !repair) throw new VerifyRefused('--yes goes with --repair');
  if (repair && !yes && !process.stdin.isTTY) {
    throw new VerifyRefused('--repair asks before it writes, and there is no terminal; add --yes');
  }
}

function reasonOf(error: unknown): string {
  const kinds = [VerifyRefused, WrongSetting, StartRefused, DatabaseRefused];
  if (kinds.some((kind) => error instanceof kind)) return (error as Error).message;
  if (isDatabaseError(error)) return `verify could not go on: ${failureText(error)}`;
  log.error('verify.failed', { error });
  return 'verify failed';
}

async function run(options: RepairOptions, settings: Settings, signal: AbortSignal): Promise<number> {
  const { databaseUrl: url, dataDir } = settings;
  const borrowed = url === undefined ? await borrowDatabase(dataDir, signal) : ofUrl(url);
  const sql = openDatabase(borrowed.database, 'verify');
  try {
    await requireAnswer(sql, borrowed.database);
    await requireMigrated(sql, borrowed.database);
    if (options.repair) await requireNoServer(sql, settings, borrowed.served);
    console.log(`the books of ${url === undefined ? resolve(dataDir) : databasePlace(url)}\n`);
    if (await check(sql, signal)) return BALANCED;
    return options.repair ? await repair(sql, options, signal) : NOT_BALANCED;
  } finally {
    await sql.end({ timeout: 1 });
    await borrowed.giveBack();
  }
}

function ofUrl(url: string): BorrowedDatabase {
  return { database: { url }, served: false, async giveBack() {} };
}

async function requireNoServer(sql: Sql, { databaseUrl, dataDir }: Settings, served: boolean): Promise<void> {
  const stopIt = 'stop it before verify --repair';
  // A folder that was locked for this command is not asked: it would say that somebody has it.
  if (served || (databaseUrl !== undefined && DataFolder.isHeld(dataDir))) {
    throw new VerifyRefused(`a server runs on the data folder ${resolve(dataDir)}; ${stopIt}`);
  }
  if ((await workersOf(sql)) > 0) throw new VerifyRefused(`a server runs on the database; ${stopIt}`);
}

/** @returns whether the books balance */
async function check(sql: Sql, signal: AbortSignal): Promise<boolean> {
  const report = new Report();
  const read = await checkBooks(sql, report, signal);
  signal.throwIfAborted();
  report.sum(read);
  return report.differences === 0;
}

async function repair(sql: Sql, { yes }: RepairOptions, signal: AbortSignal): Promise<number> {
  const corrections = await countCorrections(sql);
  if (corrections === 0) {
    console.log('\nnone of this can be corrected by an entry of the ledger');
    return NOT_BALANCED;
  }
  const question = `\nwrite ${count(corrections, 'correction')}? yes/no `;
  if (!yes && (await ask(question, signal)) !== 'yes') {
    signal.throwIfAborted();
    console.log('nothing was written');
    return NOT_BALANCED;
  }
  const written = await correctBooks(sql).catch((error) => {
    if (!(error instanceof Fenced)) throw error;
    throw new VerifyRefused('a server has been started meanwhile; nothing was written');
  });
  console.log(`\n${count(written, 'correction')} written; the books now\n`);
  if (await check(sql, signal)) return BALANCED;
  console.log('what is left cannot be corrected by an entry of the ledger');
  return NOT_BALANCED;
}

/** @returns the first line that is typed; an empty one when there is none to come */
async function ask(question: string, signal: AbortSignal): Promise<string> {
  process.stdout.write(question);
  // Not a terminal of its own, so that Ctrl-C stays a signal.
  const lines = createInterface({ input: process.stdin, terminal: false });
  signal.addEventListener('abort', () => lines.close());
  for await (const line of lines) {
    lines.close();
    return line.trim().toLowerCase();
  }
  return '';
}
