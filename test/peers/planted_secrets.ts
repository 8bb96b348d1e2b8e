/**
 * A corpus with secrets and identities planted in it, each made at run time from a seed, so that no scanner of
 * repositories finds it here. Every secret says what kind it is; files say where it stands.
 */
import { Buffer } from "node:buffer";
import type { ArtifactKind } from "../../src/dump/collector.ts";
import { oddPlaces } from "./planted_oddly.ts";
import { type Identities, noIdentities } from "../../src/dump/redaction/identities.ts";

/** One secret. */
export interface PlantedSecret {
  readonly kind: string;
  /** What must be nowhere; long ones are looked for line by line. */
  readonly value: string;
}

/** One file. */
export interface PlantedFile {
  readonly path: string;
  readonly kind: ArtifactKind;
  readonly text: string;
}

/** All of it. */
export interface Corpus {
  readonly secrets: readonly PlantedSecret[];
  readonly files: readonly PlantedFile[];
  readonly identities: Identities;
  /** Names and addresses that must be nowhere. */
  readonly names: readonly string[];
  /** Texts that must stay as they are. */
  readonly kept: readonly string[];
}

/** Makes the corpus of a seed; the same seed makes the same one. */
export function plantSecrets(seed = 1): Corpus {
  const plant = new Planter(seed);
  const files = [
    ...logs(plant),
    ...keys(plant),
    ...configurations(plant),
    ...kubernetes(plant),
    ...commands(plant),
    ...oddPlaces(plant),
    identityFile(),
    harmless(),
  ];
  return { secrets: plant.secrets, files, identities, names, kept };
}

class Planter {
  readonly secrets: PlantedSecret[] = [];
  #state: number;

  constructor(seed: number) {
    this.#state = seed * 2_654_435_761 >>> 0;
  }

  /** Random characters of `alphabet`; always with a digit. */
  random(length: number, alphabet = alnum): string {
    let text = "";
    for (let i = 0; i < length; i++) text += alphabet[this.#next() % alphabet.length]!;
    return text;
  }

  /** A new secret. */
  make(kind: string, length: number, alphabet = alnum, before = "", after = ""): string {
    const value = before + this.random(length - 1, alphabet) + (alphabet.includes("7") ? "7" : alphabet[0]!) + after;
    return this.add(kind, value);
  }

  add(kind: string, value: string): string {
    this.secrets.push({ kind, value });
    return value;
  }

  base64(kind: string, sizeBytes: number): string {
    return this.add(kind, Buffer.from(this.random(sizeBytes)).toString("base64"));
  }

  /** Lines of a private key's body, each a secret of its own. */
  body(kind: string, lines: number): readonly string[] {
    return [
      ...Array.from({ length: lines - 1 }, () => this.make(kind, 64, base64Chars)),
      this.make(kind, 22, base64Chars, "", "=="),
    ];
  }

  #next(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state >>> 8;
  }
}

function logs(p: Planter): readonly PlantedFile[] {
  const jwt = (): string => `eyJ${p.random(30)}.eyJ${p.random(60)}.`;
  const lines = [
    `GET /v1?access_token=${p.make("url-token", 24)}&x=1 200`,
    `GET /blob?sv=1&sig=${p.make("azure-sas", 30)}%3D&se=2 200`,
    `GET https://s3/x?X-Amz-Credential=${p.make("aws-presigned", 20)}&X-Amz-Signature=${
      p.make("aws-presigned", 64, hex)
    }`,
    `Authorization: Bearer ${p.make("bearer", 40)}`,
    `proxy-authorization: Basic ${p.base64("basic", 24)}`,
    `{"headers":{"Authorization":"Token ${p.make("token-header", 40)}","Host":"x"}}`,
    `Cookie: sid=${p.make("cookie", 32)}; theme=dark`,
    `Set-Cookie: session=${p.make("cookie", 32)}; Path=/; HttpOnly`,
    `X-Api-Key: ${p.make("api-key-header", 32)}`,
    `X-Vault-Token: ${p.make("vault", 24, alnum, "hvs.")}`,
    `jwt ${p.make("jwt", 43, alnum, jwt())} used`,
    `jwt in base64 ${p.add("jwt-base64", Buffer.from(`${jwt()}${p.random(43)}`).toString("base64"))} used`,
    `key ${p.make("aws-key-id", 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "AKIA")} rotated`,
    `aws_secret_access_key = ${p.make("aws-secret", 40)}`,
    `gcp ${p.make("gcp-key", 35, alnum, "AIza")} ok`,
    `oauth ${p.make("gcp-oauth", 60, alnum, "ya29.")} ok`,
    `AccountKey=${p.base64("azure-storage", 64)};EndpointSuffix=core.windows.net`,
    `push with ${p.make("github", 36, alnum, "ghp_")} done`,
    `push with ${p.make("github", 60, alnum, "github_pat_")} done`,
    `push with ${p.make("gitlab", 20, alnum, "glpat-")} done`,
    `slack ${p.make("slack", 24, alnum, "xoxb-")} done`,
    `POST https://hooks.slack.com/services/${p.make("slack-hook", 24, alnum, "T0/B0/")}`,
    `npm ${p.make("npm", 36, alnum, "npm_")} published`,
    `stripe ${p.make("stripe", 24, alnum, "sk_live_")} charged`,
    `telegram ${p.make("telegram", 35, alnum, "123456789:AA")} sent`,
    `sendgrid ${p.make("sendgrid", 40, alnum, "SG.abcdefghij012345.")} sent`,
    `pypi ${p.make("pypi", 60, alnum, "pypi-")} uploaded`,
    `joined as ${p.make("kubeadm", 16, lowerDigits, `${p.random(6, lowerDigits)}.`)} today`,
    `k3s ${p.make("k3s", 32, hex, `K10${p.random(64, hex)}::server:`)} joined`,
    `postgres://app:${p.make("database-url", 16)}@db/prod connected`,
    `redis://:${p.make("database-url", 16)}@cache:6379/0 connected`,
    `dsn app:${p.make("mysql-dsn", 16)}@tcp(db:3306)/prod connected`,
    `Server=db;Uid=app;Pwd=${p.make("ado", 16)};`,
    `level=info password="${p.make("password", 14)}" msg=ok`,
    `login with password=${p.make("password", 12)},${p.make("password", 6)} failed`,
    `msg="body {\\"client_secret\\":\\"${p.make("escaped-json", 20)}\\"}"`,
    `sentry https://${p.make("sentry", 32, hex)}@sentry.example.org/2`,
    `$6$${p.make("shadow", 80, alnum)} is a hash`,
  ];
  const hash = lines.pop()!;
  const syslog = lines.map((line, i) => `Nov 20 23:48:${String(i % 60).padStart(2, "0")} web-01 app[12]: ${line}`);
  const shadow = `petra:${hash.split(" ")[0]!.replace("$6$", "$6$saltsalt$")}:19000:0:99999:7:::`;
  return [
    { path: "logs/app.log", kind: "log", text: [...syslog, shadow, ""].join("\n") },
    {
      path: "logs/app.jsonl",
      kind: "log",
      text: lines.map((message) => `${JSON.stringify({ message, n: 1 })}\n`).join(""),
    },
  ];
}

function keys(p: Planter): readonly PlantedFile[] {
  const pem = (
    kind: string,
    lines = 6,
  ): string[] => [`-----BEGIN ${kind}-----`, ...p.body(`pem ${kind}`, lines), `-----END ${kind}-----`];
  const cri = (line: string, i: number): string => `2026-11-20T23:48:1${i % 10}.000000000Z stdout F ${line}`;
  const journal = (line: string): string => `Nov 20 23:48:15 web-01 app[77]: ${line}`;
  const docker = (line: string): string =>
    JSON.stringify({ log: `${line}\n`, stream: "stdout", time: "2026-11-20T23:48:15Z" });
  const text = [
    "plain",
    ...pem("RSA PRIVATE KEY"),
    "with prefixes",
    ...pem("EC PRIVATE KEY").map(cri),
    ...pem("PRIVATE KEY").map(journal),
    "without an end",
    ...pem("OPENSSH PRIVATE KEY").slice(0, -1),
    "a line that is no key: the service has started",
    "without a beginning",
    ...pem("ENCRYPTED PRIVATE KEY").slice(1),
    "pgp",
    ...pem("PGP PRIVATE KEY BLOCK"),
    "openvpn",
    ...[
      "-----BEGIN OpenVPN Static key V1-----",
      ...Array.from({ length: 4 }, () => p.make("openvpn", 32, hex)),
      "-----END OpenVPN Static key V1-----",
    ],
    `escaped ${JSON.stringify(pem("RSA PRIVATE KEY").join("\n"))} end`,
    `base64 ${Buffer.from(pem("RSA PRIVATE KEY").join("\n")).toString("base64")} end`,
    `base64 ${Buffer.from(`xy${pem("RSA PRIVATE KEY").join("\n")}`).toString("base64")} end`,
    `age ${p.make("age", 58, "ABCDEFGHJKLMNPQRSTUVWXYZ023456789", "AGE-SECRET-KEY-1")} end`,
    p.make("minisign", 200, base64Chars, "RWRTY0Iy"),
    "the end",
  ];
  const jsonl = pem("RSA PRIVATE KEY").map(docker);
  return [
    { path: "logs/keys.log", kind: "log", text: `${text.join("\n")}\n` },
    { path: "logs/docker.log", kind: "log", text: `${jsonl.join("\n")}\n${docker("after the key")}\n` },
  ];
}

function configurations(p: Planter): readonly PlantedFile[] {
  const file = (path: string, lines: readonly string[], kind: ArtifactKind = "text"): PlantedFile => ({
    path,
    kind,
    text: `${lines.join("\n")}\n`,
  });
  return [
    file("network/wg0.conf", [
      "[Interface]",
      `PrivateKey = ${p.base64("wireguard", 32)}`,
      "[Peer]",
      `PresharedKey = ${p.base64("wireguard", 32)}`,
      "AllowedIPs = 10.8.0.0/24",
    ]),
    file("network/wpa_supplicant.conf", [
      "network={",
      '  ssid="x"',
      `  psk="${p.make("wpa", 20)}"`,
      `  wep_key0="${p.make("wep", 13)}"`,
      "}",
    ]),
    file("network/wireless", [
      `\toption key '${p.make("uci", 16)}'`,
      "\toption encryption 'psk2'",
      `wireless.radio0.key='${p.make("uci", 16)}'`,
    ]),
    file("network/snmpd.conf", [
      `rocommunity ${p.make("snmp", 12)} 10.0.0.0/8`,
      `createUser monitor SHA "${p.make("snmp", 12)}" AES "${p.make("snmp", 12)}"`,
    ]),
    file("system/pgpass", [`db:5432:prod:app:${p.make("pgpass", 14)}`]),
    file("system/netrc", [
      `machine x login petra password ${p.make("netrc", 14)}`,
      "machine y",
      "login petra",
      `password ${p.make("netrc", 14)}`,
    ]),
    file("system/environment", [
      `DB_PASSWORD=${p.make("environment", 16)}`,
      `SECRET_KEY_BASE=${p.make("environment", 40, hex)}`,
      `STRIPE_TOKEN='${p.make("environment", 16)}'`,
      "PATH=/usr/bin",
    ]),
    file("system/router.cfg", [
      ` enable secret 5 ${p.make("cisco", 20)}`,
      ` username x password 7 ${p.make("cisco", 14, hex)}`,
      `snmp-server community ${p.make("cisco", 10)} RO`,
    ]),
    file(
      "system/docker.json",
      [JSON.stringify({ auths: { "r.example.org": { auth: p.base64("docker-auth", 24) } } })],
      "json",
    ),
    file("system/app.yaml", [
      `password: ${p.make("yaml", 10)} ${p.make("yaml", 10)} # two words`,
      "list:",
      `  - token: "${p.make("yaml", 20)}"`,
      "  - plain: value",
      "private_key: |",
      `  ${p.make("yaml", 40)}`,
      "after: 1",
    ], "yaml"),
  ];
}

function kubernetes(p: Planter): readonly PlantedFile[] {
  const values = (): { password: string; "tls.key": string } => ({
    password: p.base64("kubernetes", 12),
    "tls.key": p.base64("kubernetes", 300),
  });
  const secret = (data: Record<string, string>): unknown => ({
    apiVersion: "v1",
    data,
    kind: "Secret",
    metadata: { name: "db" },
    type: "Opaque",
  });
  const applied = secret({ a: p.base64("last-applied", 15) });
  const yaml = (data: Record<string, string>, dash: string): string =>
    `${dash}apiVersion: v1\n${pad(dash)}data:\n${pad(dash)}  password: ${data.password}\n${pad(dash)}  tls.key: ${
      data["tls.key"]
    }\n` +
    `${pad(dash)}kind: Secret\n${pad(dash)}metadata:\n${pad(dash)}  annotations:\n${
      pad(dash)
    }    kubectl.kubernetes.io/last-applied-configuration: |\n` +
    `${pad(dash)}      ${JSON.stringify(applied)}\n${pad(dash)}  name: db\n`;
  const map =
    `  apiVersion: v1\n  data:\n    mode: fast and loud\n  kind: ConfigMap\n  metadata:\n    name: settings\n`;
  const list = `apiVersion: v1\nitems:\n${yaml(values(), "- ")}${map.replace("  api", "- api")}kind: List\n`;
  const documents = `${yaml(values(), "")}---\nkind: Secret\nstringData:\n  text: |\n    ${
    p.make("block-scalar", 30)
  }\n    ${p.make("block-scalar", 30)}\n  more: {a: b}\n`;
  const annotated = {
    ...(secret(values()) as object),
    metadata: { annotations: { "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify(applied) } },
  };
  const json = {
    apiVersion: "v1",
    items: [annotated, { data: { mode: "fast" }, kind: "ConfigMap" }, secret(values())],
    kind: "List",
  };
  const api = { kind: "SecretList", items: [{ metadata: {}, data: { "x.txt": p.make("secret-list", 30) } }] };
  const pod = {
    kind: "Pod",
    spec: { env: [{ name: "DB_PASSWORD", value: p.make("pod-env", 16) }, { name: "MODE", value: "fast" }] },
  };
  const kubeconfig = `apiVersion: v1\nkind: Config\nusers:\n- name: petra\n  user:\n    client-key-data: ${
    p.base64("kubeconfig", 200)
  }\n    token: ${p.make("kubeconfig", 40)}\n    password: ${p.make("kubeconfig", 14)}\n`;
  const podYaml = `spec:\n  containers:\n  - env:\n    - name: API_TOKEN\n      value: ${
    p.make("pod-env", 16)
  }\n    - name: MODE\n      value: fast\n`;
  const audit = JSON.stringify({ kind: "Event", requestObject: secret(values()) });
  return [
    { path: "kube/secrets-list.yaml", kind: "yaml", text: list },
    { path: "kube/documents.yaml", kind: "yaml", text: documents },
    { path: "kube/pretty.json", kind: "json", text: JSON.stringify(json, null, 4) },
    { path: "kube/compact.json", kind: "json", text: JSON.stringify(json) },
    { path: "kube/api.json", kind: "json", text: JSON.stringify(api) },
    { path: "kube/pod.json", kind: "json", text: JSON.stringify(pod, null, 2) },
    { path: "kube/pod.yaml", kind: "yaml", text: podYaml },
    { path: "kube/config.yaml", kind: "yaml", text: kubeconfig },
    { path: "kube/audit.log", kind: "log", text: `prefix ${audit}\n${audit}\n` },
  ];
}

function commands(p: Planter): readonly PlantedFile[] {
  const lines = [
    `app --password ${p.make("option", 12)} --verbose`,
    `app --auth-token=${p.make("option", 20)} run`,
    `mysql -uroot -p${p.make("mysql", 12)} prod`,
    `curl -u petra:${p.make("curl", 12)} https://x/`,
    `curl -H 'Authorization: Bearer ${p.make("curl", 30)}' https://x/`,
    `sshpass -p ${p.make("sshpass", 12)} ssh x`,
    `redis-cli -h x -a ${p.make("redis-cli", 12)} ping`,
    `openssl rsa -in x -passin pass:${p.make("openssl", 12)}`,
  ];
  const environ = `HOME=/root\0API_KEY=${p.make("environ", 24)}\0TERM=x\0`;
  const cmdline = `app\0--password\0${p.make("cmdline", 12)}\0--x`;
  return [
    { path: "system/ps.txt", kind: "text", text: `${lines.join("\n")}\n` },
    { path: "system/environ", kind: "text", text: environ },
    { path: "system/cmdline", kind: "text", text: cmdline },
  ];
}

function identityFile(): PlantedFile {
  const text = [
    "Nov 20 23:48:15 web-01 sshd[9]: Accepted publickey for petra from 203.0.113.77 port 22",
    "web-01.plant.example.net and db-7.plant.example.net, WEB-01, web_01, /home/petra/x, /home/unknownperson/y",
    "petra@plant.example.net jonas.m@mail.example.org dhcp-192-168-0-66 ip-203-0-113-77.eu",
    "inet 192.168.0.66/24 brd 192.168.0.255, inet6 2001:db8:7::42/64 and fe80::5054:ff:feab:cdef/64",
    "link/ether 52:54:00:ab:cd:ef enx525400abcdef 52-54-00-AB-CD-EF",
    "MAC=52:54:00:ab:cd:ef:52:54:00:11:22:33:08:00",
    "   0: 4200A8C0:0016 00000000:0000 0A",
    `user=${Buffer.from("web-01.plant.example.net").toString("base64")} customer acmecorp`,
    "",
  ].join("\n");
  return { path: "system/web-01-identity.txt", kind: "text", text };
}

function harmless(): PlantedFile {
  return { path: "system/packages.txt", kind: "text", text: `${kept.join("\n")}\n` };
}

function pad(dash: string): string {
  return " ".repeat(dash.length);
}

const names = [
  "web-01",
  "web_01",
  "petra",
  "unknownperson",
  "plant.example.net",
  "db-7",
  "203.0.113.77",
  "203-0-113-77",
  "192.168.0.66",
  "192-168-0-66",
  "2001:db8:7::42",
  "5054:ff:feab:cdef",
  "52:54:00:ab:cd:ef",
  "525400abcdef",
  "52-54-00-ab-cd-ef",
  "52:54:00:11:22:33",
  "jonas.m@",
  "4200A8C0",
  "acmecorp",
];
const identities: Identities = {
  ...noIdentities,
  hosts: ["web-01.plant.example.net"],
  domains: ["plant.example.net"],
  users: ["petra"],
  addresses: ["192.168.0.66", "203.0.113.77"],
  macs: ["52:54:00:ab:cd:ef"],
};
const kept = [
  "PWD=/root/work and password: incorrect, token expired, secret: missing, BYPASS=1",
  'MountVolume.SetUp failed: secret "db-credentials" not found; ssh_key=none PASS: TestDump',
  "cache_key=9fceb02d0ae598e95dc970b74767f19372d6df8c commit 9fceb02d0ae598e95dc970b74767f19372d6df8c",
  "type=PROCTITLE msg=audit(1764530000.1:4): proctitle=2F7573722F62696E2F6C73002D6C61",
  "docker run -p 8080:80 web; ssh -p 2222 host; ls -p /tmp; grep -w word file",
  "6f1e1c0a-8e53-4d67-9d3e-1f2a3b4c5d6e",
  "libfoo 1.2.3.4-5ubuntu1 amd64 and bar-1.2.3.4.tar.gz, v5.4.3.2",
  "2026-11-20T23:48:15.123456Z 23:48:15 1763682495",
  "netmask 255.255.255.0 via 0.0.0.0 lo 127.0.0.1 ::1 224.0.0.1",
  "user@1000.service getty@tty1.service",
  "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  "max_tokens=100 tokenizer: x passwordless login, automountServiceAccountToken: false",
  "Failed password for root from somewhere; std::vector<a::b>; 12:34",
  "passwd:         files systemd",
  "precedence ::ffff:0:0/96  10",
  "ff:ff:ff:ff:ff:ff 00:00:00:00:00:00 33:33:00:00:00:01",
  "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU fingerprint 16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
];
const alnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const base64Chars = `${alnum}+/`;
const lowerDigits = "abcdefghijklmnopqrstuvwxyz0123456789";
const hex = "0123456789abcdef";
