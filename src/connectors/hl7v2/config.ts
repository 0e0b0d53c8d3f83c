import { z } from 'zod';
import { isZone } from '../../domain/zone.ts';
import { profileSchema } from './profile.ts';

/** A chain of certificates, or a key of 8192 bits, as PEM. */
const MAX_PEM_LENGTH = 32_768;
/** `CALL_TIMEOUT_MS` of a command is 15 s: connecting and waiting have to fit into it. */
const MAX_RESPONSE_TIMEOUT_MS = 10_000;

const port = z.number().int().min(1).max(65_535);
const host = z.string().regex(/^[A-Za-z0-9._:-]{1,253}$/, 'must be a host name or an address');
const pem = z
  .string()
  .max(MAX_PEM_LENGTH)
  .regex(/^-----BEGIN [A-Z0-9 ]+-----\r?\n/, 'must be PEM');
/** Names of applications and facilities: HL7 gives them 180 characters; an ACK of 256 bytes has room for less. */
const party = z
  .string()
  .max(60)
  .regex(/^[^\p{Cc}]*$/u, 'must be one line');
const zone = z.string().refine(isZone, 'must be an IANA time zone such as America/New_York');

const listen = z.strictObject({
  /** Nothing outside this machine is let in until somebody says so. */
  host: host.default('127.0.0.1').meta({ title: 'Address to listen on' }),
  port: port.meta({ title: 'Port to listen on', examples: [2575] }),
  tls: z
    .strictObject({
      cert: pem.meta({ title: 'Our certificate (PEM)' }),
      key: pem.meta({ title: 'Our private key (PEM)', writeOnly: true }),
      /** With it, only senders with a certificate of this authority are let in. */
      clientCa: pem.meta({ title: 'Authority of client certificates (PEM)' }).optional(),
    })
    .meta({ title: 'TLS' })
    .optional(),
});

const send = z.strictObject({
  host: host.meta({ title: 'Host that takes our messages' }),
  port: port.meta({ title: 'Its port', examples: [6661] }),
  tls: z
    .strictObject({
      ca: pem.meta({ title: 'Authority of its certificate (PEM)' }).optional(),
      cert: pem.meta({ title: 'Our client certificate (PEM)' }).optional(),
      key: pem.meta({ title: 'Our private key (PEM)', writeOnly: true }).optional(),
      servername: host.meta({ title: 'Name in its certificate' }).optional(),
    })
    .meta({ title: 'TLS' })
    .optional(),
  /** SIU: we keep the schedule and tell. SRM: they keep it and are asked. */
  as: z.enum(['SIU', 'SRM']).default('SIU').meta({ title: 'Messages we write' }),
  /**
   * What ends a write: that the application acknowledges it, or already that somebody on the way has committed to keep
   * it, or the message in which the HRS itself then tells of the appointment.
   */
  answer: z.enum(['acknowledgment', 'commit', 'echo']).default('acknowledgment').meta({ title: 'What proves a write' }),
  /** New patients go as ADT^A28, under our own id until the HRS names both its id and ours. */
  newPatients: z.boolean().default(false).meta({ title: 'Takes new patients by ADT^A28' }),
  /** Texts (MSA-3, else ERR) with which it refuses a time that is taken. HL7 has no code for that. */
  takenTexts: z.array(z.string().min(1).max(200)).max(20).default([]),
  responseTimeoutMs: z.number().int().min(100).max(MAX_RESPONSE_TIMEOUT_MS).default(MAX_RESPONSE_TIMEOUT_MS),
});

const site = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  name: z.string().min(1).max(255),
  /** Without it, the sender's. */
  timeZone: zone.optional(),
  /** How messages name it. */
  codes: z.array(z.string().min(1).max(255)).max(20).default([]),
});

export const hl7v2ConfigSchema = z
  .strictObject({
    listen: listen.meta({ title: 'Receiving' }).optional(),
    send: send.meta({ title: 'Sending' }).optional(),
    /** Of times that carry no offset. */
    timeZone: zone.meta({ title: 'Time zone', examples: ['America/New_York'] }),
    /** MSH-3 of what we send; ids of ours carry it as their namespace. */
    sendingApplication: party.min(1).default('OPENCHAIR').meta({ title: 'Our application (MSH-3)' }),
    sendingFacility: party.default('').meta({ title: 'Our facility (MSH-4)' }),
    receivingApplication: party.default('').meta({ title: 'Its application (MSH-5)' }),
    receivingFacility: party.default('').meta({ title: 'Its facility (MSH-6)' }),
    /** Senders that are let speak, by MSH-3 and MSH-4; without it, whoever can connect. */
    expects: z
      .array(z.strictObject({ application: party, facility: party.optional() }))
      .min(1)
      .max(20)
      .meta({ title: 'Expected senders' })
      .optional(),
    /** MSH-11: what is marked as anything else is rejected. */
    processingId: z.enum(['P', 'T', 'D']).default('P').meta({ title: 'Production, training or debugging' }),
    sites: z
      .array(site)
      .min(1)
      .max(50)
      .default([{ id: 'main', name: 'Practice', codes: [] }]),
    profile: profileSchema.prefault({}),
  })
  .refine(
    ({ listen, send }) => listen !== undefined || send !== undefined,
    'must say where to listen, or where to send',
  )
  .refine(({ send }) => send?.as !== 'SRM' || send.answer === 'echo', {
    path: ['send', 'answer'],
    message: 'must be echo with SRM: a request that is acknowledged is not yet granted',
  })
  .refine(({ listen, send }) => send?.answer !== 'echo' || listen !== undefined, {
    path: ['listen'],
    message: 'is needed when writes are proven by an echo',
  });

export type Hl7v2Config = z.infer<typeof hl7v2ConfigSchema>;
export type Site = Hl7v2Config['sites'][number];
