import {
  createServerCertificate,
  type ProgramContext,
  type RotatingFiles,
  type ServerCertificate,
  systemClock,
} from "@heauth/program";

/** The certificate that a program shows: how long it is good still is measured, and one that has expired makes it not ready. */
export function watchedCertificate(
  files: { readonly tlsCert: string; readonly tlsKey: string },
  { logs, metrics, health }: Pick<ProgramContext<unknown>, "logs" | "metrics" | "health">,
): RotatingFiles<ServerCertificate> {
  const certificate = createServerCertificate({
    certificateFile: files.tlsCert,
    keyFile: files.tlsKey,
    log: logs.log,
  });
  const leftMs = () => certificate.current().expiresAtMs - systemClock.wallMs();
  metrics.gauge("heauth_certificate_expiry_seconds", () => [[{ certificate: "leaf" }, leftMs() / 1000]]);
  health.addReady("certificate", () => (leftMs() <= 0 ? "the TLS certificate has expired" : undefined));
  return certificate;
}
