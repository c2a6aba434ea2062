/**
 * How a command reaches the server that runs on a data folder: a Unix socket in its run folder, which only the folder's owner can
 * enter. A caller sends one line, `{"command": "…"}`, and gets lines back: `{"progress": "…"}` for each step, then
 * `{"done": true}` or `{"error": "…"}`. A caller that goes away does not stop what it has begun.
 */
import { chmodSync, existsSync, realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { CONTROL_LINE_BYTES_MAX } from '../limits.ts';
import { runFolderOf } from './data-folder.ts';

export type Command = (say: (progress: string) => void) => Promise<void>;
type Line = { progress: string } | { done: true } | { error: string };

const SOCKET = 'control.sock';

export class Control {
  private readonly server: Server;

  private constructor(
    path: string,
    private readonly commands: Record<string, Command>,
  ) {
    rmSync(path, { force: true });
    this.server = createServer((socket) => this.serve(socket));
    this.server.listen(path, () => chmodSync(path, 0o600));
  }

  static open(runFolder: string, commands: Record<string, Command>): Control {
    return new Control(join(runFolder, SOCKET), commands);
  }

  close(): void {
    this.server.close();
  }

  private serve(socket: Socket): void {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) {
        socket.removeAllListeners('data');
        void this.run(socket, text.split('\n')[0]);
      } else if (text.length > CONTROL_LINE_BYTES_MAX) socket.destroy();
    });
  }

  private async run(socket: Socket, line: string): Promise<void> {
    const send = (answer: Line): void => {
      if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
    };
    try {
      const { command } = JSON.parse(line) as { command: string };
      if (!Object.hasOwn(this.commands, command))
        throw new Error(`${JSON.stringify(command)} is not a command`);
      await this.commands[command]((progress) => send({ progress }));
      send({ done: true });
    } catch (error) {
      send({ error: (error as Error).message });
    }
    socket.end();
  }
}

/** @throws Error with a sentence, where there is no server to ask, or it could not do it */
export async function command(
  dataDir: string,
  name: string,
  onProgress: (progress: string) => void,
): Promise<void> {
  const path = resolve(dataDir);
  const nobody = new Error(
    `no server runs on the data folder ${path}; HOLDFAST_DATA_DIR says which one is meant`,
  );
  if (!existsSync(path)) throw nobody;
  const socket = connect(join(runFolderOf(realpathSync(path)), SOCKET));
  const ended = Promise.withResolvers<void>();
  socket.setEncoding('utf8');
  socket.on('error', () => ended.reject(nobody));
  socket.on('close', () => ended.reject(new Error('the server ended before it was done')));
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
    const lines = text.split('\n');
    text = lines.pop()!;
    for (const line of lines) {
      const answer = JSON.parse(line) as Line;
      if ('progress' in answer) onProgress(answer.progress);
      else if ('done' in answer) ended.resolve();
      else ended.reject(new Error(answer.error));
    }
  });
  socket.write(`${JSON.stringify({ command: name })}\n`);
  await ended.promise.finally(() => socket.destroy());
}
