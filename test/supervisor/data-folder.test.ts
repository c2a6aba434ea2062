/** The run folder when a data folder is started on by one kind of database and then by the other. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataFolder } from '../../src/supervisor/data-folder.ts';

const root = process.geteuid?.() === 0;
/** Need not exist: only their numbers count. */
const POSTGRES = { uid: 54_321, gid: 54_321 };
const STRANGER = { uid: 54_322, gid: 54_322 };

let path: string;
let folder: DataFolder;
beforeEach(() => {
  path = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-folder-')));
  folder = DataFolder.open(path);
});
afterEach(() => {
  folder.release();
  rmSync(path, { recursive: true, force: true });
});

test.if(root)('embedded first, then DATABASE_URL, then embedded again', () => {
  mkdirSync(join(path, 'postgres'));
  chownSync(join(path, 'postgres'), POSTGRES.uid, POSTGRES.gid);
  for (const [owner, uid] of [
    [POSTGRES, POSTGRES.uid],
    [undefined, 0],
    [POSTGRES, POSTGRES.uid],
  ] as const) {
    const { uid: found, mode } = statSync(folder.makeRunFolder(owner));
    expect([found, mode & 0o777]).toEqual([uid, 0o700]);
  }
});

test.if(root)('one that somebody else has made is not used', () => {
  mkdirSync(join(path, 'run'));
  chownSync(join(path, 'run'), STRANGER.uid, STRANGER.gid);
  for (const owner of [undefined, POSTGRES])
    expect(() => folder.makeRunFolder(owner)).toThrow(`belongs to uid ${STRANGER.uid}`);
});
