/**
 * Who the embedded Postgres runs as. It refuses to be root, so where the server is started as root,
 * it runs as the user that owns the cluster already, or `postgres`, or a system user made for it.
 *
 * That user may not be able to enter a folder above the data or the program, as with a clone in
 * /root. It is then started with the one capability that lets it through (CAP_DAC_OVERRIDE), by
 * setpriv; files it makes are still its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { log } from '../observability/log.ts';
import { StartRefused } from './refusal.ts';

export interface PostgresUser {
  uid: number;
  gid: number;
  /** Put before the command where a folder is locked to the user. */
  prefix: string[];
}

const OWN_USER = 'holdfast';

/**
 * @param cluster the folder of the cluster, which need not exist yet
 * @param program the folder of Postgres' programs
 * @returns undefined where Postgres can run as the user that runs this process
 * @throws StartRefused where root can't give Postgres a user that works
 */
export function postgresUser(cluster: string, program: string): PostgresUser | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  const { uid, gid } = ownerOf(cluster) ?? lookUp('postgres') ?? lookUp(OWN_USER) ?? createUser();
  const locked = [dirname(cluster), program].map((folder) => lockedFolder(folder, uid, gid)).find(Boolean);
  if (locked === undefined) return { uid, gid, prefix: [] };
  const prefix = [
    'setpriv',
    // Otherwise access(2), with which initdb looks for its programs, ignores the capability.
    '--securebits=+no_setuid_fixup',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
  ];
  if (Bun.which('setpriv') === null || Bun.spawnSync([...prefix, 'true']).exitCode !== 0) {
    throw new StartRefused(
      `Postgres runs as uid ${uid}, not as root, and that user cannot enter ${locked}: run \`chmod o+x ${locked}\`, or keep clone and HOLDFAST_DATA_DIR outside of it`,
    );
  }
  return { uid, gid, prefix };
}

/** Starts a program of Postgres in a session of its own, so that a terminal's Ctrl-C does not reach it. */
export function spawnPostgres(
  user: PostgresUser | undefined,
  command: string,
  args: string[],
  output: 'pipe' | number,
): ChildProcess {
  const [program, ...rest] = [...(user?.prefix ?? []), command, ...args];
  // Settings of other databases (PGDATA, PGPORT …) would otherwise be taken for this one's.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name)),
  );
  const identity = user === undefined || user.prefix.length > 0 ? {} : { uid: user.uid, gid: user.gid };
  return spawn(program, rest, {
    ...identity,
    cwd: '/',
    env: { ...env, LC_ALL: 'C' },
    detached: true,
    stdio: ['ignore', output, output],
  });
}

function ownerOf(cluster: string): { uid: number; gid: number } | undefined {
  const found = statSync(cluster, { throwIfNoEntry: false });
  return found === undefined || found.uid === 0 ? undefined : { uid: found.uid, gid: found.gid };
}

function lookUp(name: string): { uid: number; gid: number } | undefined {
  const [uid, gid] = ['-u', '-g'].map((what) => Bun.spawnSync(['id', what, name]).stdout.toString().trim());
  return uid === '' || gid === '' ? undefined : { uid: Number(uid), gid: Number(gid) };
}

function createUser(): { uid: number; gid: number } {
  const commands = [
    [
      'useradd',
      '--system',
      '--user-group',
      '--no-create-home',
      '--home-dir',
      '/nonexistent',
      '--shell',
      '/bin/false',
      OWN_USER,
    ],
    ['adduser', '-S', '-D', '-H', '-s', '/bin/false', OWN_USER],
  ];
  const command = commands.find(([program]) => Bun.which(program) !== null);
  if (command !== undefined && Bun.spawnSync(command).exitCode === 0) {
    const user = lookUp(OWN_USER);
    if (user !== undefined) {
      log.info('postgres.user-created', { user: OWN_USER, ...user });
      return user;
    }
  }
  throw new StartRefused(
    'Postgres refuses to run as root, and no user could be created for it: create a user named postgres, or start as another user, or set DATABASE_URL',
  );
}

/** The highest folder on the way to and including this one that the user can't pass through. */
function lockedFolder(folder: string, uid: number, gid: number): string | undefined {
  const above = dirname(folder);
  const lockedAbove = above === folder ? undefined : lockedFolder(above, uid, gid);
  if (lockedAbove !== undefined) return lockedAbove;
  const { mode, uid: owner, gid: group } = statSync(folder);
  const execute = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001;
  return (mode & execute) === 0 ? folder : undefined;
}
