/** The key that seals what is secret: from the environment, from a file, or made by the first start of all. */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Config, parseSecretKey } from '../config.ts';
import { KEY_BYTES } from './seal.ts';

const FILE_NAME = 'secret.key';

/**
 * The key of OPENCHAIR_SECRET_KEY, of OPENCHAIR_SECRET_KEY_FILE, or of `secret.key` in the data folder; null when
 * there is none of the three. Throws when the file cannot be read or holds something else; never says what it holds.
 */
export async function findSecretKey(
  config: Pick<Config, 'secretKey' | 'secretKeyFile' | 'dataDir'>,
): Promise<Buffer | null> {
  if (config.secretKey) return config.secretKey;
  const file = config.secretKeyFile ?? join(resolve(config.dataDir), FILE_NAME);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && config.secretKeyFile === null) return null;
    throw new Error(`The secret key in ${file} cannot be read (${code}).`);
  }
  const key = parseSecretKey(text.trim());
  if (!key) throw new Error(`${file} holds no secret key: it must be ${KEY_BYTES} bytes as hex or base64.`);
  return key;
}

/**
 * Makes `secret.key` in the data folder, for its owner only, and returns the key in it: that of another process where
 * that was faster. What is sealed under it is lost without it, so it is on the disk before anybody can use it.
 */
export async function makeSecretKey(dataDir: string): Promise<Buffer> {
  const folder = resolve(dataDir);
  const file = join(folder, FILE_NAME);
  const mine = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(folder, { recursive: true });
    await writeToDisk(mine, `${randomBytes(KEY_BYTES).toString('hex')}\n`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`The secret key cannot be kept in ${folder} (${code}). Give one in OPENCHAIR_SECRET_KEY.`);
  }
  try {
    // Unlike a rename, a link never replaces what is there.
    await link(mine, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await unlink(mine);
  }
  const directory = await open(folder);
  await directory.sync().finally(() => directory.close());
  return (await findSecretKey({ secretKey: null, secretKeyFile: null, dataDir })) as Buffer;
}

async function writeToDisk(file: string, text: string): Promise<void> {
  const out = await open(file, 'wx', 0o600);
  try {
    await out.writeFile(text);
    await out.sync();
  } finally {
    await out.close();
  }
}
