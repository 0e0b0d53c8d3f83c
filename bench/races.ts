/** Crowds that want the same time at once: one gets it, and the others hear soon that they do not. */
import pg from 'pg';
import { Pool } from 'undici';
import type { Figure } from './figure.ts';
import { type BusyPractice, type FreeTime, PROVIDERS, startBusyPractice } from './practice.ts';

const CROWDS = [32, 200];
const ROUNDS = 5;
const SLOWEST_REFUSAL_MS = 250;

/** What the n-th of a crowd asks for, when `time` is what they fight over. */
const RACES: Record<string, (time: FreeTime, n: number) => FreeTime> = {
  'one slot': (time) => time,
  // A second apart, so each overlaps every other.
  'overlapping slots': (time, n) => ({ ...time, startMs: time.startMs + n * 1_000, endMs: time.endMs + n * 1_000 }),
  'one operatory of two providers': (time, n) => ({ ...time, providerId: time.providerId + (n % 2) }),
};

interface Answer {
  status: number;
  ms: number;
}

export async function measure(): Promise<Figure[]> {
  const practice = await startBusyPractice();
  const server = new Pool(practice.program.url, { connections: Math.max(...CROWDS) });
  try {
    await openTheOperatories(practice);
    const figures: Figure[] = [];
    let notExactlyOne = 0;
    let faults = 0;
    await warmUp(practice, server);
    for (const crowd of CROWDS) {
      for (const [name, wish] of Object.entries(RACES)) {
        const rounds: number[] = [];
        for (let round = 0; round < ROUNDS; round += 1) {
          const time = nextContested(practice);
          const answers = await Promise.all(
            Array.from({ length: crowd }, (_, n) => ask(practice, server, wish(time, n))),
          );
          if (answers.filter(({ status }) => status === 201).length !== 1) notExactlyOne += 1;
          faults += answers.filter(({ status }) => status !== 201 && status !== 400).length;
          rounds.push(Math.max(...answers.filter(({ status }) => status === 400).map(({ ms }) => ms)));
        }
        figures.push({
          name: `${crowd} at once for ${name}, slowest refusal`,
          unit: 'ms',
          rounds,
          target: { atMost: SLOWEST_REFUSAL_MS },
        });
      }
    }
    const count = (name: string, value: number): Figure => ({ name, unit: '', rounds: [value], target: { atMost: 0 } });
    // Sessions report what happened to them when they end, at the latest.
    await practice.program.stop();
    return [
      ...figures,
      count('races with other than one winner', notExactlyOne),
      count('answers in races that are neither 201 nor 400', faults),
      count('deadlocks in races', await deadlocksOf(practice)),
    ];
  } finally {
    await server.close();
    await practice.close();
  }
}

/** Hours bound to no operatory, so that each provider may be booked in any. */
async function openTheOperatories({ database }: BusyPractice): Promise<void> {
  const client = new pg.Client(database.connection);
  await client.connect();
  try {
    await client.query("select set_config('openchair.institution', '*', false)");
    await client.query('update availability set operatory_id = null');
  } finally {
    await client.end();
  }
}

/** Opens every connection and compiles the path, on times that nobody fights over afterwards. */
async function warmUp(practice: BusyPractice, server: Pool): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    const time = nextContested(practice);
    await Promise.all(Array.from({ length: Math.max(...CROWDS) }, () => ask(practice, server, time)));
  }
}

/** The same hour of all providers is used up together: one that was won may stand in nobody else's way. */
function nextContested(practice: BusyPractice): FreeTime {
  // Two half-hours on, because the overlapping race reaches into the next one.
  const [time] = practice.freeTimes(2 * PROVIDERS) as [FreeTime];
  return time;
}

async function ask(
  { bookingPath: path, headers, bookingOf }: BusyPractice,
  server: Pool,
  time: FreeTime,
): Promise<Answer> {
  const startedMs = performance.now();
  const { statusCode, body } = await server.request({ method: 'POST', path, headers, body: bookingOf(time) });
  await body.dump();
  return { status: statusCode, ms: performance.now() - startedMs };
}

async function deadlocksOf({ database }: BusyPractice): Promise<number> {
  const client = new pg.Client(database.connection);
  await client.connect();
  try {
    const { rows } = await client.query('select deadlocks from pg_stat_database where datname = current_database()');
    return Number(rows[0].deadlocks);
  } finally {
    await client.end();
  }
}
