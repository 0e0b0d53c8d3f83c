/** One database server for the whole test run; see --test-global-setup in package.json. */
import { shareServer, startTestServer } from './server.ts';

let server: Awaited<ReturnType<typeof startTestServer>>;

export async function globalSetup(): Promise<void> {
  server = await startTestServer();
  shareServer(server);
}

export async function globalTeardown(): Promise<void> {
  await server.stop();
}
