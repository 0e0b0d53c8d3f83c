/** The program: one subcommand, then the part of it that does the work. */
import { parseArgs } from 'node:util';
import { type App, type Parts, startApp } from './app.ts';
import { checkConnection } from './cli/check-connection.ts';
import { exportSeed } from './cli/export.ts';
import { generate } from './cli/generate.ts';
import { importDatabase } from './cli/import.ts';
import { checkInvariants } from './cli/invariants.ts';
import { manageKeys } from './cli/keys.ts';
import { printPublicKey } from './cli/public-key.ts';
import { resetSecrets } from './cli/reset-secrets.ts';
import { withDatabase } from './cli/with-database.ts';
import { readConfig } from './config.ts';
import { createLogger } from './logger.ts';
import { findSeal, makeSeal, openSeal } from './store/sealing.ts';

const USAGE = `openchair COMMAND

  serve                            API, worker and, unless OPENCHAIR_DEMO=off, the demo practice in one process
  api                              the API alone; needs DATABASE_URL, runs as many times as you like
  worker                           the worker alone; needs DATABASE_URL, runs as many times as you like
  migrate                          bring the database to this program's schema
  key create --name N --subdomain S [--admin] | list | revoke ID
                                   API keys; a key is shown once
  check-connection ID              can the health record system be reached and read?
  reset-secrets                    after the loss of the secret key: start again under another one
  public-key FILE [--key-id K]     the public half of a private key, as a JWK set for a FHIR server's operator
  invariants                       look through the whole database for what must never be; changes nothing
  export [FILE] [--subdomain S]    a seed file of this installation: its skeleton, nobody's data, no keys
  export [FILE] --from URL --key K [--subdomain S]
                                   the same of a server that speaks NexHealth's API
  export --everything FILE         the whole database as one file, its secrets sealed
  import FILE                      fill an empty database from the file of export --everything
  generate [--check]               write openapi.json, openapi-v2.json, schema.sql, docs/errors.md and docs/seed.schema.json

Settings are environment variables; docs/operating.md lists them.`;

const PARTS: Record<string, Parts> = {
  serve: { api: true, worker: true, demo: true },
  api: { api: true, worker: false, demo: false },
  worker: { api: false, worker: true, demo: false },
};

/** Everything a person may have got wrong ends in one line and exit code 1, without a stack. */
async function main(args: string[]): Promise<void> {
  const [command = 'help', ...rest] = args;
  const config = readConfig(process.env);
  const log = createLogger(config.logLevel);
  const parts = PARTS[command];
  if (parts) {
    if (command !== 'serve' && config.databaseUrl === null) {
      throw new Error(
        `openchair ${command} needs DATABASE_URL: the embedded database belongs to one process, "serve".`,
      );
    }
    return run(
      await startApp(config, { ...parts, demo: parts.demo && (config.demo || config.seedFile !== null) }, log),
      command,
    );
  }
  switch (command) {
    case 'migrate':
      return withDatabase(config, log, async () => console.log('The database is up to date.'));
    case 'key':
      return withDatabase(config, log, (db) => manageKeys(db, rest));
    case 'check-connection':
      return withDatabase(config, log, async (db) => checkConnection(db, await openSeal(db, config, false, log), rest));
    case 'reset-secrets':
      return withDatabase(config, log, async (db) => resetSecrets(db, await makeSeal(config)));
    case 'public-key':
      return printPublicKey(rest);
    case 'invariants':
      return withDatabase(config, log, (db) => checkInvariants(db));
    case 'export':
      return exportSeed(config, log, rest);
    case 'import':
      return withDatabase(config, log, async (db) => importDatabase(db, await findSeal(config), rest));
    case 'generate': {
      const { values } = parseArgs({ args: rest, options: { check: { type: 'boolean', default: false } } });
      return generate(values.check);
    }
    case 'help':
    case '--help':
    case '-h':
      console.log(USAGE);
      return;
    default:
      throw new Error(`There is no command "${command}".\n\n${USAGE}`);
  }
}

/** npm passes a terminal's Ctrl-C on that we have had already: only a later one means "now". */
const SAME_SIGNAL_MS = 1_000;

/** Runs until a signal asks for the end; a second one does not wait. */
function run(app: App, command: string): void {
  console.log(app.url === '' ? `openchair ${command} is running` : `openchair is ready on ${app.url}`);
  let askedMs = 0;
  const stop = () => {
    if (askedMs === 0) app.stop().then(() => process.exit(0));
    else if (Date.now() - askedMs > SAME_SIGNAL_MS) process.exit(1);
    askedMs ||= Date.now();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // The shim that started us is gone without a word: nobody could end us any more, and the port would stay taken.
  process.once('disconnect', stop);
}

// `openchair key list | head` has read enough: no reason to complain.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
