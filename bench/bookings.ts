/** Distinct free times booked through HTTP, and the same statements sent by a bare pool of as many connections. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { Pool } from 'undici';
import { DAY_MS } from '../src/domain/zone.ts';
import type { Figure } from './figure.ts';
import { type BusyPractice, type FreeTime, residentMb, startBusyPractice } from './practice.ts';
import { run, type Statement, statementsOf, withValues } from './statements.ts';

const CONNECTIONS = 16;
const ROUNDS = 3;
const BOOKINGS_PER_ROUND = 1_000;
const WARM_UP_BOOKINGS = 600;

export async function measure(): Promise<Figure[]> {
  const practice = await startBusyPractice();
  const server = new Pool(practice.program.url, { connections: CONNECTIONS });
  const bare = new pg.Pool({ ...practice.database.connection, max: CONNECTIONS });
  try {
    const booked = await captureBooking(practice);
    let refused = 0;
    const rate = async (book: (time: FreeTime) => Promise<boolean>, count = BOOKINGS_PER_ROUND) => {
      const times = practice.freeTimes(count);
      const startedMs = performance.now();
      await inParallel(times, async (time) => {
        if (!(await book(time))) refused += 1;
      });
      return count / ((performance.now() - startedMs) / 1000);
    };
    const throughServer = (time: FreeTime) => bookThrough(server, practice, time);
    const bareStatements = (time: FreeTime) => bookBare(bare, booked, time);
    await rate(throughServer, WARM_UP_BOOKINGS);
    await rate(bareStatements, WARM_UP_BOOKINGS);
    const rounds: number[] = [];
    const rivalRounds: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      rounds.push(await rate(throughServer));
      rivalRounds.push(await rate(bareStatements));
    }
    const rival = { name: 'bare pg, same statements', rounds: rivalRounds };
    return [
      {
        name: `bookings of distinct times, ${CONNECTIONS} connections`,
        unit: '/s',
        rounds,
        target: { shareOfRival: 0.35 },
        rival,
      },
      { name: 'bookings of free times refused', unit: '', rounds: [refused], target: { atMost: 0 } },
      {
        name: 'memory of the API after the bookings',
        unit: 'MB',
        rounds: [residentMb(practice.program.process.pid as number)],
        target: { atMost: 400 },
      },
    ];
  } finally {
    await bare.end();
    await server.close();
    await practice.close();
  }
}

async function inParallel(times: FreeTime[], work: (time: FreeTime) => Promise<void>): Promise<void> {
  const waiting = times.values();
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      for (const time of waiting) await work(time);
    }),
  );
}

async function bookThrough(
  server: Pool,
  { bookingPath: path, headers, bookingOf }: BusyPractice,
  time: FreeTime,
): Promise<boolean> {
  const { statusCode, body } = await server.request({ method: 'POST', path, headers, body: bookingOf(time) });
  await body.dump();
  return statusCode === 201;
}

/** One booking as it was sent to the database, and the values in it that belong to that booking alone. */
interface CapturedBooking {
  statements: Statement[];
  time: FreeTime;
  appointmentId: number;
  marker: string;
}

async function captureBooking(practice: BusyPractice): Promise<CapturedBooking> {
  const [time] = practice.freeTimes(1) as [FreeTime];
  const { body, statements } = await statementsOf(practice.database.url, practice.key, {
    method: 'POST',
    path: practice.bookingPath,
    body: JSON.parse(practice.bookingOf(time)),
  });
  const marker = statements.flatMap(({ values }) => values).find((value) => UUID.test(String(value)));
  return { statements, time, appointmentId: body.data.appt.id, marker: String(marker) };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const valuesOf = (time: FreeTime): unknown[] => {
  const day = Math.floor(time.startMs / DAY_MS);
  return [
    time.providerId,
    time.operatoryId,
    new Date(time.startMs).toISOString(),
    new Date(time.endMs).toISOString(),
    `provider:${time.providerId}:${day}`,
    `operatory:${time.operatoryId}:${day}`,
  ];
};

async function bookBare(pool: pg.Pool, booked: CapturedBooking, time: FreeTime): Promise<boolean> {
  const others = valuesOf(time);
  const replacements = new Map<unknown, unknown>(valuesOf(booked.time).map((value, at) => [value, others[at]]));
  replacements.set(booked.marker, randomUUID());
  const client = await pool.connect();
  try {
    for (const statement of booked.statements) {
      const [known] = withValues([statement], replacements) as [Statement];
      const { rows } = await run(client, known);
      if (!/insert into appointment/.test(statement.text)) continue;
      // Its claims are counted, as the server counts them: fewer than two would be a refusal.
      if (Number(rows[0]?.claims) !== 2) return false;
      replacements.set(booked.appointmentId, rows[0].id);
    }
    return true;
  } finally {
    client.release();
  }
}
