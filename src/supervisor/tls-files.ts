/** Finds out before anything is started whether the files of TLS are there, are what they should be, and belong together. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { SETTINGS, type Settings } from '../config.ts';
import type { TlsFiles } from '../process.ts';
import { codeOf } from './data-folder.ts';
import { StartRefused } from './refusal.ts';

const CERT = SETTINGS.tlsCert.variable;
const KEY = SETTINGS.tlsKey.variable;

/**
 * @returns undefined where the settings name none
 * @throws StartRefused
 */
export function requireTlsFiles({ tlsCert, tlsKey }: Settings): TlsFiles | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  const files = { cert: resolve(tlsCert), key: resolve(tlsKey) };
  const certificate = certificateIn(files.cert);
  const key = privateKeyIn(files.key);
  if (!certificate.checkPrivateKey(key))
    throw new StartRefused(
      `${KEY} is ${files.key}, which is not the private key of the certificate in ${CERT} ${files.cert}`,
    );
  return files;
}

function certificateIn(path: string): X509Certificate {
  const pem = contentOf(CERT, path);
  try {
    return new X509Certificate(pem);
  } catch {
    throw new StartRefused(`${CERT} is ${path}, which has no certificate in PEM form`);
  }
}

function privateKeyIn(path: string): KeyObject {
  const pem = contentOf(KEY, path);
  try {
    return createPrivateKey(pem);
  } catch {
    throw new StartRefused(`${KEY} is ${path}, which has no private key in PEM form without a passphrase`);
  }
}

function contentOf(variable: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new StartRefused(`${variable} is ${path}, which cannot be read (${codeOf(error)})`);
  }
}
