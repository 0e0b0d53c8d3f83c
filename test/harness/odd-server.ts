/** A small server that speaks NexHealth's API as nobody writes it down: ids as text, nulls, pages by count, a 429. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

type Row = Record<string, unknown>;

interface Asked {
  method: string;
  path: string;
  authorization: string | undefined;
  status: number;
  atMs: number;
}

export interface OddServer {
  url: string;
  key: string;
  asked(): Asked[];
  close(): Promise<void>;
}

const KEY = 'odd-key-1';
const TOKEN = 'odd-token-1';
/** The token ends in the middle; whoever signs in gets the same again. */
const TOKEN_ENDS_AFTER = 7;
/** Whatever `per_page` says. */
const PER_PAGE = 2;

const DESCRIPTORS: Row[] = [
  { id: 61, name: 'Periodic exam', code: 'D0120', descriptor_type: 'Procedure Codes', data: null, active: true },
  { id: '62', name: 'Periodic exam', code: 'D0120', descriptor_type: 'Procedure Code' },
  { id: 63, name: null, code: null, descriptor_type: 'Appointment Type', data: { minutes: 40 } },
];
const LISTS: Record<string, (query: URLSearchParams) => Row[] | Record<string, Row[]>> = {
  '/institutions': () => [
    { id: '314', name: 'Odd Dental', subdomain: 'odd-dental', phone_number: '', locations: null },
  ],
  '/locations': () => [
    {
      id: 314,
      subdomain: 'odd-dental',
      locations: [
        { id: 21, name: 'Odd North', tz: 'America/Denver', state: 'CO', latitude: null, surprise: { a: [1] } },
        { id: '22', name: 'Odd South', tz: 'MST7' },
        { id: 23, name: 'Closed', tz: 'America/Denver', inactive: true },
      ],
    },
  ],
  '/providers': (query) =>
    query.get('inactive') === 'true'
      ? [{ id: 32, first_name: 'Ona', last_name: 'Odd', inactive: true, locations: [{ id: '21' }, { id: 22 }] }]
      : [
          {
            id: '31',
            first_name: null,
            last_name: '',
            locations: null,
            availabilities: [hours(72, { days: ['Friday'], begin_time: '9:00', synced: true, operatory_id: null })],
          },
        ],
  // Under a name of their own, as v2 does with some lists.
  '/operatories': (query) => ({
    operatories: Array.from({ length: query.get('location_id') === '21' ? 5 : 2 }, (_, at) => ({
      id: String(Number(query.get('location_id')) === 21 ? 41 + at : 46 + at),
      name: at === 0 ? null : `Chair ${at}`,
      active: at !== 1,
    })),
  }),
  '/appointment_types': () => [
    {
      id: 51,
      name: 'Exam',
      minutes: null,
      parent_type: 'Institution',
      parent_id: 314,
      descriptors: DESCRIPTORS.slice(0, 1),
    },
    { id: 52, name: 'exam', minutes: '45', parent_type: 'Institution', parent_id: 314 },
    { id: 53, name: 'Exam', minutes: 20, parent_type: 'Location', parent_id: '22' },
  ],
  '/locations/21/appointment_descriptors': () => DESCRIPTORS,
  '/availabilities': (query) =>
    query.get('location_id') === '21' && query.get('active') === 'true'
      ? [
          hours('71', { days: ['Monday', 'Tuesday'], begin_time: '08:00:00', synced: true, location_id: null }),
          hours(73, { provider_id: 99, days: ['Monday'] }),
        ]
      : [],
};

function hours(id: unknown, over: Row): Row {
  return {
    id,
    provider_id: '31',
    location_id: 21,
    operatory_id: '41',
    begin_time: '08:00',
    end_time: '16:00',
    days: null,
    specific_date: null,
    custom_recurrence: null,
    active: true,
    ...over,
  };
}

/** A page of the list, and how many rows there are in all. */
function pageOf(found: Row[] | Record<string, Row[]>, page: number) {
  const [name, list] = Array.isArray(found) ? [null, found] : (Object.entries(found)[0] as [string, Row[]]);
  const rows = list.slice((page - 1) * PER_PAGE, page * PER_PAGE);
  return { data: name === null ? rows : { [name]: rows }, count: list.length };
}

export async function startOddServer(): Promise<OddServer> {
  const asked: Asked[] = [];
  let pauses = 1;
  let usesOfToken = 0;
  const answer = (method: string, url: URL, authorization: string | undefined): [number, unknown] => {
    const refuse = (status: number, text: string): [number, unknown] => [
      status,
      { code: false, description: null, data: null, error: [text] },
    ];
    if (method === 'POST' && url.pathname === '/authenticates')
      return authorization === KEY ? [201, { code: true, data: { token: TOKEN } }] : refuse(401, 'Unauthorized');
    usesOfToken += 1;
    if (authorization !== `Bearer ${TOKEN}` || usesOfToken === TOKEN_ENDS_AFTER) return refuse(401, 'Unauthorized');
    const list = LISTS[url.pathname];
    if (method !== 'GET' || !list) return refuse(404, 'Resource not found');
    if (url.pathname === '/operatories' && pauses > 0) {
      pauses -= 1;
      return refuse(429, 'Too many requests');
    }
    return [200, { code: true, ...pageOf(list(url.searchParams), Number(url.searchParams.get('page') ?? 1)) }];
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://odd');
    const { authorization } = request.headers;
    const [status, body] = answer(request.method ?? '', url, authorization);
    asked.push({ method: request.method ?? '', path: url.pathname, authorization, status, atMs: Date.now() });
    response.writeHead(status, {
      'content-type': 'application/vnd.Nexhealth+json;version=2',
      ...(status === 429 && { 'retry-after': '1' }),
    });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    key: KEY,
    asked: () => asked,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
