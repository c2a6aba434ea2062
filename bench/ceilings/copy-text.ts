/** Lines into a table by COPY, in the text format, in pieces that are not all in memory at once. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type postgres from 'postgres';

const PIECE_CHARACTERS = 1024 * 1024;

/** @param table with its columns @param lines each with its line end, fields separated by tabs */
export async function copyLines(sql: postgres.Sql, table: string, lines: Iterable<string>): Promise<void> {
  const stream = await sql.unsafe(`copy ${table} from stdin`).writable();
  await pipeline(Readable.from(pieces(lines)), stream);
}

function* pieces(lines: Iterable<string>): Generator<Buffer> {
  let piece = '';
  for (const line of lines) {
    piece += line;
    if (piece.length < PIECE_CHARACTERS) continue;
    yield Buffer.from(piece);
    piece = '';
  }
  if (piece !== '') yield Buffer.from(piece);
}
