import { readFile } from "node:fs/promises";
import { ClusterError } from "./errors.ts";

/** What a request carries so that we know the server and the server knows us. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
}

export interface TlsOptions {
  ca?: Buffer | string;
  cert?: Buffer | string;
  key?: Buffer | string;
  servername?: string;
}

/** Where the API server is and who we are there. */
export interface Access {
  /** Base URL without a slash at its end. */
  readonly server: string;
  /** Of the service account or the context. */
  readonly namespace: string | undefined;
  /** Asked before every request, because tokens and certificates rotate. */
  credentials(): Promise<Credentials>;
  /** The server did not know us: what is remembered is worth nothing. */
  forget(): void;
}

/** A file that rotates, read each time: a kilobyte from the page cache costs less than a rotation that is missed. */
export async function freshFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new ClusterError("KubeconfigInvalid", `cannot read ${path}`, { cause: error });
  }
}

/** A token as a header, without the line end that files tend to have. */
export function bearer(token: Buffer | string): Record<string, string> {
  return { authorization: `Bearer ${token.toString().trim()}` };
}
