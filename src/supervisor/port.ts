/** Finds out before anything is started whether a front could listen where the settings say. */
import { createServer } from 'node:net';
import { codeOf } from './data-folder.ts';
import { StartRefused } from './refusal.ts';

const REASONS: Record<string, (host: string, port: number) => string> = {
  EADDRINUSE: (host, port) =>
    `PORT ${port} is already in use on ${host}; stop what listens there, or set PORT`,
  EACCES: (_host, port) => `PORT ${port} is reserved for root on this machine; set PORT to one above 1023`,
  EADDRNOTAVAIL: (host) => `HOST is ${host}, which is not an address of this machine`,
  ENOTFOUND: (host) => `HOST is ${host}, which is not an address of this machine`,
  EAI_AGAIN: (host) => `HOST is ${host}, which cannot be resolved`,
};

/** @throws StartRefused */
export async function requireFreePort(host: string, port: number): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, exclusive: true }, resolve);
    });
  } catch (error) {
    // A name that cannot be resolved comes without a code.
    const reason = REASONS[codeOf(error)]?.(host, port);
    throw new StartRefused(
      reason ?? `cannot listen at HOST ${host}, PORT ${port}: ${(error as Error).message}`,
    );
  }
  await new Promise((closed) => server.close(closed));
}
