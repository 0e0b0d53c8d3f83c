import assert from 'node:assert/strict';
import type { LookupAddress, lookup as systemLookup } from 'node:dns';
import { after, before, test } from 'node:test';
import { Agent, request } from 'undici';
import { ApiError } from '../../src/errors.ts';
import { type AddressMode, checkTargetUrl, createConnector, isAllowedAddress } from '../../src/webhooks/addresses.ts';
import { type Receiver, startReceiver } from '../harness/receiver.ts';

const LOOPBACK = ['127.0.0.1', '127.0.0.0', '127.1.2.3', '127.255.255.255', '::1', '0:0:0:0:0:0:0:1'];

const INTERNAL = [
  ...['0.0.0.0', '0.0.0.1', '0.255.255.255', '10.0.0.0', '10.0.0.1', '10.255.255.255', '100.64.0.0'],
  ...['100.100.100.200', '100.127.255.255', '168.63.129.16', '169.254.0.0', '169.254.169.254', '169.254.170.2'],
  ...['169.254.255.255', '172.16.0.0', '172.16.0.1', '172.20.10.1', '172.31.255.255', '192.0.0.0', '192.0.0.192'],
  ...['192.0.0.255', '192.0.2.1', '192.31.196.1', '192.52.193.1', '192.88.99.1', '192.168.0.0', '192.168.1.1'],
  ...['192.168.255.255', '192.175.48.1', '198.18.0.0', '198.19.255.255', '198.51.100.7', '203.0.113.7', '224.0.0.0'],
  ...['224.0.0.251', '239.255.255.250', '239.255.255.255', '240.0.0.0', '250.1.1.1', '255.255.255.255'],
  ...['::', '::2', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:10.0.0.1', '::ffff:169.254.169.254', '::ffff:8.8.8.8'],
  ...[
    '::127.0.0.1',
    '::8.8.8.8',
    '::ffff:0:127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b::8.8.8.8',
    '64:ff9b:1::1',
    '100::1',
  ],
  ...['2001::1', '2001:0:53aa:64c::1', '2001:2::1', '2001:10::1', '2001:20::1', '2001:db8::1', '2001:db8:ffff::1'],
  ...['2002:7f00:1::', '2002:0a00:0001::1', '2002:808:808::1', '2620:4f:8000::1', '3fff::1', '3fff:fff::1', '4000::1'],
  ...['5f00::1', '8000::1', 'fc00::1', 'fd00::1', 'fd00:ec2::254', 'fdff:ffff::1', 'fe80::1', 'fe80::ffff:1'],
  ...['febf::1', 'fec0::1', 'ff00::1', 'ff02::1', 'ff0e::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '1fff::1'],
];

const PUBLIC = [
  ...['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255'],
  ...['128.0.0.1', '168.63.129.15', '168.63.129.17', '169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0'],
  ...['191.255.255.255', '192.0.1.0', '192.0.3.0', '192.167.255.255', '192.169.0.0', '198.17.255.255', '198.20.0.0'],
  ...['198.51.99.255', '198.51.101.0', '203.0.112.255', '203.0.114.0', '223.255.255.255', '2000::1'],
  ...['2001:200::1', '2001:4860:4860::8888', '2001:db7::1', '2001:db9::1', '2003::1', '2606:4700:4700::1111'],
  ...['2a00:1450:4001:80b::200e', '2620:4f:8001::1', '3ffe::1', '3fff:1000::1'],
];

const NO_ADDRESS = ['', 'localhost', 'example.com', '127.1', '0x7f.1', '2130706433', '0177.0.0.1', '[::1]', '1.1.1.1 '];

test(`addresses: ${LOOPBACK.length + INTERNAL.length + PUBLIC.length + NO_ADDRESS.length} of them in three modes`, () => {
  const table: [string[], Record<AddressMode, boolean>][] = [
    [LOOPBACK, { public: false, loopback: true, any: true }],
    [INTERNAL, { public: false, loopback: false, any: true }],
    [PUBLIC, { public: true, loopback: true, any: true }],
    [NO_ADDRESS, { public: false, loopback: false, any: false }],
  ];
  for (const [addresses, expected] of table) {
    for (const address of addresses) {
      for (const mode of ['public', 'loopback', 'any'] as const) {
        assert.equal(isAllowedAddress(address, mode), expected[mode], `${address} in mode ${mode}`);
      }
    }
  }
});

/** Hosts that the URL parser turns into 127.0.0.1 or 0.0.0.0, and other ways to write what must not be called. */
const INTERNAL_URLS = [
  ...[
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0x7f000001',
    'https://0177.0.0.1',
    'https://127.1',
    'https://0',
  ],
  ...['https://0x7f.0x0.0x0.0x1/', 'https://017700000001', 'https://①②⑦.⓪.⓪.①/', 'https://127。0。0。1/'],
  ...['https://127.0.0.1./', 'https://127.0.0.1:8443/x', 'https://%31%32%37.0.0.1/', 'https://[::1]/', 'https://[::]/'],
  ...['https://[::ffff:127.0.0.1]/', 'https://[::127.0.0.1]', 'https://[64:ff9b::7f00:1]', 'https://[2002:7f00:1::]'],
  ...[
    'https://[fd00::1]/',
    'https://[fd00:ec2::254]/latest',
    'https://[fe80::1]',
    'https://10.0.0.1',
    'https://172.16.0.1',
  ],
  ...['https://192.168.0.1', 'https://100.64.0.1', 'https://169.254.169.254/latest/meta-data/', 'https://192.0.0.192'],
  ...['https://198.18.0.1', 'https://224.0.0.1', 'https://240.0.0.1', 'https://255.255.255.255', 'https://localhost'],
  ...['https://localhost.', 'https://LOCALHOST/', 'https://x.localhost/hook', 'https://ⓛocalhost/'],
];

const MALFORMED_URLS = [
  ...[
    '',
    'example.com',
    '//example.com',
    'https:example.com',
    'https:/example.com',
    'https:///example.com',
    'https://',
  ],
  ...['ftp://example.com', 'javascript:alert(1)', 'file:///etc/passwd', 'gopher://example.com', 'data:text/plain,x'],
  ...['ws://example.com', 'https://user:pass@example.com', 'https://user@example.com', 'https://@example.com'],
  ...['https://:@example.com', 'https://example.com:0', 'https://example.com:00', 'https://example.com:65536'],
  ...[
    'https://[fe80::1%25eth0]/',
    'https://exa mple.com',
    ' https://example.com',
    'https://example.com ',
    'https://a\tb.com',
  ],
  ...['https://example.com\n', 'https:\\\\127.0.0.1\\', 'https://example.com\\@127.0.0.1', 'https://exam\u0000ple.com'],
  ...['http://1.1.1.1 &@2.2.2.2#', 'https://1.1.1.1&@2.2.2.2#', `https://example.com/${'x'.repeat(2_048)}`],
];

const isRefused = (url: string, mode: AddressMode): string | null => {
  try {
    checkTargetUrl(url, mode);
    return null;
  } catch (error) {
    assert.ok(error instanceof ApiError && error.code === 'invalid_parameter', String(error));
    return error.message;
  }
};

test('URLs that are malformed, or name an internal address in whatever way, are refused when saved', () => {
  for (const url of MALFORMED_URLS) {
    for (const mode of ['public', 'loopback', 'any'] as const) {
      assert.match(isRefused(url, mode) ?? 'accepted', /^Invalid parameter target_url: must/, `${url} in mode ${mode}`);
    }
  }
  for (const url of INTERNAL_URLS) assert.match(isRefused(url, 'public') ?? 'accepted', /public Internet/, url);
});

test('http is for loopback where that is allowed, and for everything where private addresses are', () => {
  const table: [string, Record<AddressMode, boolean>][] = [
    ['https://example.com/hook?x=1#y', { public: true, loopback: true, any: true }],
    ['https://example.com:8443', { public: true, loopback: true, any: true }],
    ['HTTPS://EXAMPLE.COM', { public: true, loopback: true, any: true }],
    ['https://bücher.example/', { public: true, loopback: true, any: true }],
    ['https://[2606:4700:4700::1111]/', { public: true, loopback: true, any: true }],
    ['http://example.com', { public: false, loopback: false, any: true }],
    ['http://1.1.1.1', { public: false, loopback: false, any: true }],
    ['http://localhost:8085/hook', { public: false, loopback: true, any: true }],
    ['http://x.localhost:1', { public: false, loopback: true, any: true }],
    ['http://127.0.0.1:3000/', { public: false, loopback: true, any: true }],
    ['http://[::1]:3000/', { public: false, loopback: true, any: true }],
    ['http://10.1.2.3/', { public: false, loopback: false, any: true }],
    ['https://10.1.2.3/', { public: false, loopback: false, any: true }],
    ['http://receiver:8080/', { public: false, loopback: false, any: true }],
  ];
  for (const [url, expected] of table) {
    for (const mode of ['public', 'loopback', 'any'] as const) {
      assert.equal(isRefused(url, mode) === null, expected[mode], `${url} in mode ${mode}`);
    }
  }
});

let receiver: Receiver;
before(async () => {
  receiver = await startReceiver();
});
after(() => receiver.close());

/** A resolver that gives these answers one after the other, the last one for ever. */
function resolver(...answers: string[][]): typeof systemLookup {
  const queue = [...answers];
  const answer = (_host: string, _options: unknown, callback: (error: null, found: LookupAddress[]) => void) => {
    const addresses = (queue.length > 1 ? queue.shift() : queue[0]) ?? [];
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    setImmediate(callback, null, found);
  };
  return answer as unknown as typeof systemLookup;
}

async function call(url: string, mode: AddressMode, lookup?: typeof systemLookup): Promise<string> {
  const agent = new Agent({ connect: createConnector(mode, lookup) });
  try {
    const { statusCode, body } = await request(url, { dispatcher: agent, method: 'POST' });
    await body.dump();
    return String(statusCode);
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    await agent.destroy();
  }
}

test('literal addresses are checked at the connection too', async () => {
  const { port } = new URL(receiver.url);
  const before = receiver.requests.length;
  for (const host of ['127.0.0.1', '0x7f.1', '2130706433', '127.1', '0', '[::ffff:127.0.0.1]', '[::1]']) {
    assert.equal(await call(`http://${host}:${port}/`, 'public'), 'blocked_address', host);
  }
  assert.equal(await call(`http://[::ffff:127.0.0.1]:${port}/`, 'loopback'), 'blocked_address');
  assert.equal(receiver.requests.length, before);
  assert.equal(await call(`http://127.0.0.1:${port}/`, 'loopback'), '200');
});

test('a name that points inwards is not connected to, whichever of its addresses does', async () => {
  const { port } = new URL(receiver.url);
  const url = `http://rebind.example:${port}/`;
  const before = receiver.requests.length;
  for (const answer of [
    ['127.0.0.1'],
    ['::1'],
    ['10.0.0.1'],
    ['93.184.216.34', '127.0.0.1'],
    ['127.0.0.1', '93.184.216.34'],
    ['2606:4700:4700::1111', 'fd00::1'],
    ['::ffff:127.0.0.1'],
    [],
    Array.from({ length: 1_000 }, (_, n) => `10.0.${n >> 8}.${n & 255}`),
  ]) {
    assert.equal(await call(url, 'public', resolver(answer)), 'blocked_address', answer.slice(0, 3).join());
  }
  assert.equal(receiver.requests.length, before);
  assert.equal(await call(url, 'loopback', resolver(['127.0.0.1'])), '200');
  assert.equal(await call(`http://localhost:${port}/`, 'public'), 'blocked_address', 'the system’s own resolver');
});

test('a name that changes between two connections is checked at each', async () => {
  const { port } = new URL(receiver.url);
  const flipping = resolver(['127.0.0.1'], ['169.254.169.254']);
  const agent = new Agent({ connect: createConnector('loopback', flipping), pipelining: 0 });
  const url = `http://flip.example:${port}/`;
  const first = await request(url, { dispatcher: agent, method: 'POST' });
  await first.body.dump();
  assert.equal(first.statusCode, 200);
  await assert.rejects(request(url, { dispatcher: agent, method: 'POST' }), { code: 'blocked_address' });
  await agent.destroy();
});
