import { setting } from "@heauth/program";
import * as z from "zod";

/** Also with the folder of a unix socket for a host, which is no URL by the WHATWG: `postgresql://me@/heauth?host=%2Frun%2Fpostgresql`. */
export const POSTGRES_URL = /^postgres(ql)?:\/\/\S+$/;

const path = z.string().min(1);

/** A name as Kubernetes' objects have them (RFC 1123 subdomain). */
export const objectName = z.string().regex(/^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$/, "must be an object's name");

/** Settings that the programs in a cluster share; each takes those that it has a use for. */
export const clusterSettings = {
  kubeconfig: setting(path.optional(), {
    description: "How to reach the API server; in a pod, its service account unless given.",
    example: "./kubeconfig",
  }),
  namespace: setting(
    z
      .string()
      .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "must be a namespace's name")
      .optional(),
    {
      description: "heauth's own namespace, with its Secrets; the pod's or the kubeconfig's unless given.",
      example: "heauth-system",
    },
  ),
  database: setting(z.string().regex(POSTGRES_URL, "must be a postgresql:// URL"), {
    description:
      "PostgreSQL, with a login that is a member of this program's role; better HEAUTH_DATABASE_FILE than a flag.",
    example: "postgresql://login@db/heauth",
    holds: "url",
  }),
  programKey: setting(path, {
    description: "File of this program's key, as `heauth keys create` writes it.",
    example: "/etc/heauth/keys/program.json",
  }),
  ledgerKeys: setting(path, {
    description: "File of the public halves of all programs' keys, as `heauth keys create` writes it.",
    example: "/etc/heauth/ledger-keys.json",
  }),
};
