/** Open slots through the real server: one connection, warm, and a key that is checked. */
import pg from 'pg';
import { Client } from 'undici';
import { type Figure, median } from './figure.ts';
import { BUSY_DAYS, type BusyPractice, PROVIDERS, startBusyPractice } from './practice.ts';
import { run, type Statement, statementsOf } from './statements.ts';

const ROUNDS = 3;
const CASES = [
  { providers: PROVIDERS, requests: 30, atMostMs: 35 },
  { providers: 1, requests: 200, atMostMs: 3 },
];
/** Code is slow until it has been compiled, and that takes more requests than one would think. */
const WARM_UP_SHARE = 3;

export async function measure(): Promise<Figure[]> {
  const practice = await startBusyPractice();
  const server = new Client(practice.program.url);
  const bare = new pg.Client(practice.database.connection);
  await bare.connect();
  try {
    const figures: Figure[] = [];
    for (const { providers, requests, atMostMs } of CASES) {
      const path = practice.slotsPath(practice.providerIds.slice(0, providers));
      const { statements } = await statementsOf(practice.database.url, practice.key, { method: 'GET', path });
      const ask = () => askServer(server, practice, path, providers);
      const askBare = () => runAll(bare, statements);
      await times(ask, requests * WARM_UP_SHARE);
      await times(askBare, requests);
      const rounds: number[] = [];
      const rivalRounds: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        rounds.push(median(await times(ask, requests)));
        rivalRounds.push(median(await times(askBare, requests)));
      }
      figures.push({
        name: `slots, ${providers} × ${BUSY_DAYS} days, p50`,
        unit: 'ms',
        rounds,
        target: { atMost: atMostMs },
        rival: { name: 'bare pg, same statements', rounds: rivalRounds },
      });
    }
    return figures;
  } finally {
    await bare.end();
    await server.close();
    await practice.close();
  }
}

async function times(work: () => Promise<void>, count: number): Promise<number[]> {
  const measuredMs: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const startedMs = performance.now();
    await work();
    measuredMs.push(performance.now() - startedMs);
  }
  return measuredMs;
}

async function askServer(server: Client, { headers }: BusyPractice, path: string, providers: number): Promise<void> {
  const { statusCode, body } = await server.request({ method: 'GET', path, headers });
  const text = await body.text();
  // Not parsed: the answer is some 600 KB and a client's time is not ours.
  const groups = text.split('"slots":[{').length - 1;
  if (statusCode !== 200 || groups !== providers) throw new Error(`slots: ${statusCode}, ${groups} groups with slots`);
}

async function runAll(client: pg.Client, statements: Statement[]): Promise<void> {
  for (const statement of statements) await run(client, statement);
}
