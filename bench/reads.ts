/**
 * Reading appointments: a page of 50 and one by its id, through both faces, beside a bare server that answers the
 * same bytes and beside PostgreSQL's own benchmark of single-row reads; and a long list from its first page to its last.
 */
import pg from 'pg';
import { Pool } from 'undici';
import type { Version } from '../src/views/version.ts';
import { singleRowReads, startBareServer } from './bare.ts';
import { type Figure, median } from './figure.ts';
import { type BusyPractice, startBusyPractice } from './practice.ts';

const CONNECTIONS = 8;
const ROUNDS = 5;
const ROUND_MS = 2_000;
const WARM_UP_MS = 4_000;
const PAGE_ROWS = 50;
const LIST_APPOINTMENTS = 50_000;
const LIST_PAGES = 500;
const PAGES_OF_AN_END = 50;

export async function measure(): Promise<Figure[]> {
  const practice = await startBusyPractice();
  try {
    return [...(await measurePage(practice)), ...(await measureOne(practice)), ...(await measureWalk(practice))];
  } finally {
    await practice.close();
  }
}

const headersOf = (practice: BusyPractice, version: Version) => ({
  authorization: practice.headers.authorization,
  'nex-api-version': version,
});

/** Requests per second of `path`, with every connection busy. */
async function rateOf(url: string, path: string, headers: Record<string, string>, ms: number): Promise<number> {
  const pool = new Pool(url, { connections: CONNECTIONS });
  const untilMs = performance.now() + ms;
  let answered = 0;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      while (performance.now() < untilMs) {
        const { statusCode, body } = await pool.request({ method: 'GET', path, headers });
        // Read to its end: what is cut off costs the server less than what is read.
        await body.arrayBuffer();
        if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`);
        answered += 1;
      }
    }),
  );
  await pool.close();
  return answered / (ms / 1_000);
}

const listPath = ({ locationId, tomorrow }: BusyPractice) =>
  `/appointments?subdomain=bench&location_id=${locationId}&start=${tomorrow}T08:00&end=${tomorrow}T08:59&per_page=${PAGE_ROWS}`;

async function measurePage(practice: BusyPractice): Promise<Figure[]> {
  const { url } = practice.program;
  const path = listPath(practice);
  const [v2, v3] = [headersOf(practice, 'v2'), headersOf(practice, 'v3.0.0')];
  const answer = await fetch(url + path, { headers: v3 });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const made = await startBareServer(bytes, 'made');
  const ready = await startBareServer(bytes, 'ready');
  try {
    for (const headers of [v2, v3]) await rateOf(url, path, headers, WARM_UP_MS);
    for (const { url: bareUrl } of [made, ready]) await rateOf(bareUrl, path, v3, WARM_UP_MS / 2);
    const rounds: Record<'v2' | 'v3' | 'made' | 'ready', number[]> = { v2: [], v3: [], made: [], ready: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      await inTurn(round, [
        async () => rounds.v3.push(await rateOf(url, path, v3, ROUND_MS)),
        async () => rounds.v2.push(await rateOf(url, path, v2, ROUND_MS)),
      ]);
      rounds.made.push(await rateOf(made.url, path, v3, ROUND_MS));
      rounds.ready.push(await rateOf(ready.url, path, v3, ROUND_MS));
    }
    const name = `GET /appointments, ${PAGE_ROWS} rows, ${Math.round(bytes.length / 1024)} KB`;
    const shared = { name, unit: '/s', rounds: rounds.v3, target: { shareOfRival: 0.25 } };
    return [
      { ...shared, rival: { name: 'bare node:http, JSON.stringify of the same', rounds: rounds.made } },
      { ...shared, rival: { name: 'bare node:http, the same bytes ready-made', rounds: rounds.ready } },
      facesFigure('GET /appointments, slower face', rounds.v2, rounds.v3),
    ];
  } finally {
    await made.close();
    await ready.close();
  }
}

/** Whoever comes after the rival is slower: the processor has its mind elsewhere. So they take turns. */
async function inTurn(round: number, works: (() => Promise<unknown>)[]): Promise<void> {
  for (const work of round % 2 === 0 ? works : works.toReversed()) await work();
}

/** Within 10 % of each other, whichever is the slower one. */
function facesFigure(name: string, v2: number[], v3: number[]): Figure {
  const [slower, faster] = median(v2) < median(v3) ? [v2, v3] : [v3, v2];
  return {
    name: `${name} (${slower === v2 ? 'v2' : 'v3.0.0'})`,
    unit: '/s',
    rounds: slower,
    target: { shareOfRival: 0.9 },
    rival: { name: slower === v2 ? 'v3.0.0' : 'v2', rounds: faster },
  };
}

async function measureOne(practice: BusyPractice): Promise<Figure[]> {
  const { url } = practice.program;
  const list = await fetch(url + listPath(practice), { headers: headersOf(practice, 'v3.0.0') });
  const { data } = (await list.json()) as { data: { id: number }[] };
  const path = `/appointments/${data[0]?.id}?subdomain=bench`;
  const [v2, v3] = [headersOf(practice, 'v2'), headersOf(practice, 'v3.0.0')];
  const rival = await singleRowReads(practice.database.connection);
  try {
    for (const headers of [v2, v3]) await rateOf(url, path, headers, WARM_UP_MS / 2);
    const rounds: Record<'v2' | 'v3' | 'rival', number[]> = { v2: [], v3: [], rival: [] };
    for (let round = 0; round < ROUNDS; round += 1) {
      await inTurn(round, [
        async () => rounds.v3.push(await rateOf(url, path, v3, ROUND_MS)),
        async () => rounds.v2.push(await rateOf(url, path, v2, ROUND_MS)),
      ]);
      rounds.rival.push(await rival.rate(ROUND_MS));
    }
    return [
      {
        name: 'GET /appointments/:id',
        unit: '/s',
        rounds: rounds.v3,
        target: { shareOfRival: 0.15 },
        rival: { name: rival.name, rounds: rounds.rival },
      },
      facesFigure('GET /appointments/:id, slower face', rounds.v2, rounds.v3),
    ];
  } finally {
    await rival.close();
  }
}

/** The whole list by cursors: the last pages beside the first ones. */
async function measureWalk(practice: BusyPractice): Promise<Figure[]> {
  const admin = new pg.Client(practice.database.connection);
  await admin.connect();
  try {
    await admin.query("select set_config('openchair.institution', '*', false)");
    await admin.query(
      `insert into appointment (institution_id, connection_id, location_id, patient_id, foreign_id, start_at, end_at)
       select $1, 10, $2, $3, 'walk/' || n, timestamptz '2001-01-01' + n * interval '20 minutes',
         timestamptz '2001-01-01' + n * interval '20 minutes' + interval '15 minutes'
       from generate_series(1, $4::int) as n`,
      [practice.institutionId, practice.locationId, practice.patientId, LIST_APPOINTMENTS],
    );
    await admin.query('vacuum analyze appointment');
  } finally {
    await admin.end();
  }
  const perPage = LIST_APPOINTMENTS / LIST_PAGES;
  const path = `/appointments?subdomain=bench&location_id=${practice.locationId}&start=2000-12-31&end=2003-12-31&per_page=${perPage}`;
  const pool = new Pool(practice.program.url, { connections: 1 });
  const headers = headersOf(practice, 'v3.0.0');
  const rounds: { first: number[]; last: number[] } = { first: [], last: [] };
  try {
    // One walk to warm up.
    for (let round = 0; round <= ROUNDS; round += 1) {
      const pagesMs: number[] = [];
      let rows = 0;
      for (let cursor = ''; ; ) {
        const startedMs = performance.now();
        const { body } = await pool.request({ method: 'GET', path: `${path}&end_cursor=${cursor}`, headers });
        const page = (await body.json()) as {
          data: unknown[];
          page_info: { has_next_page: boolean; end_cursor: string };
        };
        pagesMs.push(performance.now() - startedMs);
        rows += page.data.length;
        if (!page.page_info.has_next_page) break;
        cursor = page.page_info.end_cursor;
      }
      if (rows !== LIST_APPOINTMENTS || pagesMs.length !== LIST_PAGES)
        throw new Error(`walked ${rows} appointments in ${pagesMs.length} pages`);
      if (round === 0) continue;
      // The first page of all also counts the list, which the others do not.
      rounds.first.push(median(pagesMs.slice(0, PAGES_OF_AN_END)));
      rounds.last.push(median(pagesMs.slice(-PAGES_OF_AN_END)));
    }
  } finally {
    await pool.close();
  }
  const ratio = rounds.last.map((ms, round) => ms / (rounds.first[round] as number));
  return [
    {
      name: `a page of ${perPage} by cursor, the first ${PAGES_OF_AN_END} of ${LIST_PAGES}`,
      unit: 'ms',
      rounds: rounds.first,
    },
    { name: `the last ${PAGES_OF_AN_END}`, unit: 'ms', rounds: rounds.last },
    { name: 'last pages to first pages', unit: '×', rounds: ratio, target: { atMost: 1.3 } },
  ];
}
