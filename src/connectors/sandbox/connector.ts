/** The sandbox: a pretend practice-management system, reached like any other. */
import { canonicalAddress } from '../address.ts';
import {
  ALONE,
  type Capabilities,
  type CheckResult,
  type Connector,
  type ConnectorKind,
  HrsNonsense,
  type Surroundings,
  Unavailable,
} from '../connector.ts';
import { findUnable } from '../unable.ts';
import { sandboxClient } from './client.ts';
import { type SandboxConfig, sandboxConfigSchema } from './config.ts';
import { getId, getText } from './fields.ts';
import { changes, find, isLoading } from './read.ts';
import { execute } from './write.ts';

/** Its requests are over within milliseconds; this leaves room for a machine that is busy with other things. */
const SETTLE_MS = 2_000;

export const sandbox: ConnectorKind<SandboxConfig> = {
  kind: 'sandbox',
  displayName: 'Openchair Sandbox',
  type: 'onprem',
  configSchema: sandboxConfigSchema,
  identityOf: ({ baseUrl }) => canonicalAddress(baseUrl),
  connect,
};

const CAPABILITIES: Capabilities = {
  createAppointment: true,
  createPatient: true,
  createBlock: true,
  confirm: true,
  cancel: true,
  checkIn: true,
  reschedule: true,
  changeOperatory: true,
  changeNote: true,
  createAlert: true,
  changeAlert: true,
  appointmentsPerTimeslot: 5,
  marker: 'searchable',
  settleMs: SETTLE_MS,
  reportsDeletions: true,
  readsAvailabilities: true,
  readsCompletely: [
    'location',
    'provider',
    'operatory',
    'descriptor',
    'availability_label',
    'availability',
    'patient',
    'patient_alert',
    'insurance_plan',
    'insurance_coverage',
    'recall_type',
    'appointment',
    'patient_recall',
  ],
};

function connect(config: SandboxConfig, { budget }: Surroundings = ALONE): Connector {
  const near = sandboxClient(config, () => budget.spend('near'));
  const far = sandboxClient(config, () => budget.spend('far'));
  const writing = sandboxClient(config, () => budget.spend('write'));

  async function check(signal: AbortSignal): Promise<CheckResult> {
    try {
      const sites = await near.count('site', signal);
      return { ok: true, message: `Reached the sandbox and read from it: ${sites} ${sites === 1 ? 'site' : 'sites'}.` };
    } catch (error) {
      return { ok: false, message: `Cannot read from the sandbox: ${(error as Error).message}.` };
    }
  }

  /** A path of ours holds a token of its own, so an earlier URL of ours is one with this path on another host. */
  async function subscribe(url: string, signal: AbortSignal): Promise<void> {
    const hooks = await writing.hooks(signal);
    const known = hooks.map((hook) => ({ id: getId(hook, 'id'), url: getText(hook, 'url') }));
    const earlier = known.filter((hook) => hook.url !== url && isSamePath(hook.url, url));
    if (!known.some((hook) => hook.url === url)) {
      const answer = await writing.write('POST', '/v1/hooks', { url }, signal);
      if (answer.kind === 'refused') throw new Unavailable(`the sandbox refused the hook: ${answer.code}`);
      if (answer.record.url !== url) throw new HrsNonsense('the sandbox answered with another hook');
    }
    for (const { id } of earlier) await writing.write('DELETE', `/v1/hooks/${id}`, undefined, signal);
  }

  return {
    capabilities: CAPABILITIES,
    check,
    async *changes(cursor, signal) {
      yield* changes(isLoading(cursor) ? far : near, cursor, signal);
    },
    execute: async (write, signal) => findUnable(CAPABILITIES, write) ?? execute(writing, write, signal),
    find: (look, signal) => find(writing, look, signal),
    subscribe,
    close: async () => {},
  };
}

function isSamePath(url: string, other: string): boolean {
  return URL.parse(url)?.pathname === URL.parse(other)?.pathname;
}
