import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { publicJwkOf, readSigningKey } from '../connectors/fhir/signing-key.ts';

/**
 * Prints what a FHIR server has to know of the private key in a file (PEM or JWK) so that a connection with it may
 * sign in: a JWK set with the public half, under the key id that the connection will name.
 */
export async function printPublicKey(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { 'key-id': { type: 'string' } },
  });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) throw new Error('Use: public-key FILE [--key-id K]');
  const text = await readFile(file, 'utf8');
  const jwk = await publicJwkOf(readKey(file, text), values['key-id']);
  console.log(JSON.stringify({ keys: [jwk] }, null, 2));
}

function readKey(file: string, text: string) {
  try {
    return readSigningKey(text);
  } catch (error) {
    throw new Error(`${file} ${(error as Error).message}.`);
  }
}
