import { type ChannelCredentials, experimental, type ServerCredentials } from "@grpc/grpc-js";

/** Something that is replaced while the program runs, such as a certificate that is renewed. */
export interface Changing<T> {
  current(): T;
  /** Tells of each new one; the answer ends that. */
  subscribe(listener: (now: T) => void): () => void;
}

/** What a server shows: both PEM, and a pair. */
export interface ServerIdentity {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
}

type Provider = experimental.CertificateProvider;

/** New connections are shown the newest certificate; those that stand go on. */
export function serverCredentials(identity: Changing<ServerIdentity>): ServerCredentials {
  // The first one is the server's own, whatever the parameters' names say: the second, which asks callers for certificates, may be null.
  return experimental.createCertificateProviderServerCredentials(provider({ identity }), null, false);
}

/** New connections trust the newest certificate authorities (PEM), and nobody else. */
export function clientCredentials(authorities: Changing<Buffer>): ChannelCredentials {
  return experimental.createCertificateProviderChannelCredentials(provider({ authorities }), null);
}

/** What @grpc/grpc-js asks for. Its own provider watches files, and takes a pair that is only half replaced. */
function provider(parts: { identity?: Changing<ServerIdentity>; authorities?: Changing<Buffer> }): Provider {
  const ends = new Map<unknown, () => void>();

  /** The first call comes a moment later: @grpc/grpc-js is not ready for it yet. */
  function add<T, U>(changing: Changing<T> | undefined, listener: (update: U) => void, asUpdate: (now: T) => U): void {
    if (changing === undefined) return;
    const tell = (now: T) => listener(asUpdate(now));
    ends.set(listener, changing.subscribe(tell));
    process.nextTick(() => {
      if (ends.has(listener)) tell(changing.current());
    });
  }
  function remove(listener: unknown): void {
    ends.get(listener)?.();
    ends.delete(listener);
  }
  return {
    addCaCertificateListener: (listener) => add(parts.authorities, listener, (caCertificate) => ({ caCertificate })),
    removeCaCertificateListener: remove,
    addIdentityCertificateListener: (listener) => add(parts.identity, listener, (identity) => ({ ...identity })),
    removeIdentityCertificateListener: remove,
  };
}
