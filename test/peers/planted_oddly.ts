/** Secrets in odd notations and places, for the corpus of `planted_secrets.ts`: what a hostile tester of dumps thought of. */
import { Buffer } from "node:buffer";
import type { PlantedFile } from "./planted_secrets.ts";

/** What makes secrets; see there. */
export interface OddPlanter {
  make(kind: string, length: number, alphabet?: string, before?: string, after?: string): string;
  add(kind: string, value: string): string;
  random(length: number, alphabet?: string): string;
}

/** The files. */
export function oddPlaces(p: OddPlanter): readonly PlantedFile[] {
  const log = (path: string, lines: readonly string[]): PlantedFile => ({
    path,
    kind: "log",
    text: lines.map((line, i) => `Nov 20 23:48:${10 + i % 50} web-01 app[12]: ${line}\n`).join(""),
  });
  return [
    log("logs/notations.log", notations(p)),
    log("logs/tokens.log", tokens(p)),
    log("system/history.log", commands(p)),
    { path: "network/devices.txt", kind: "text", text: `${devices(p).join("\n")}\n` },
    { path: "audit/audit.log", kind: "log", text: `${audit(p).join("\n")}\n` },
    { path: "logs/escaped.json", kind: "json", text: escapedJson(p) },
    { path: "system/continued.yaml", kind: "yaml", text: continuedYaml(p) },
    {
      path: "logs/carriage-returns.log",
      kind: "log",
      text: `a\rpassword=${p.make("cr", 14)}\rtoken: ${p.make("cr", 20)}\rb\n`,
    },
    { path: "system/key.ppk", kind: "text", text: puttyKey(p) },
    { path: "logs/bom.log", kind: "log", text: `\ufeffpassword=${p.make("bom", 14)}\n` },
  ];
}

function puttyKey(p: OddPlanter): string {
  return `PuTTY-User-Key-File-3: ssh-ed25519
Public-Lines: 1
${"A".repeat(64)}
Private-Lines: 1
${p.make("putty", 48)}
Private-MAC: ${p.make("putty", 64, "0123456789abcdef")}
`;
}

function notations(p: OddPlanter): readonly string[] {
  return [
    `GET /?next=%2Flogin%3Fpassword%3D${p.make("percent", 14)}%26x%3D1`,
    `GET /?u=https%3A%2F%2Fbob%3A${p.make("percent-userinfo", 14)}%40host%2F`,
    `body=%7B%22password%22%3A%22${p.make("percent-json", 14)}%22%7D`,
    `Authorization%3A+Bearer+${p.make("percent-bearer", 30)}`,
    `<password>${p.make("xml", 14)}</password>`,
    `<property name="db.password" value="${p.make("xml", 14)}"/>`,
    `&lt;password&gt;${p.make("xml-escaped", 14)}&lt;/password&gt;`,
    `password=&quot;${p.make("html", 14)}&quot;`,
    `\u001b[36mpassword\u001b[0m=${p.make("coloured", 14)}`,
    `password = """${p.make("toml", 14)}"""`,
    `'password' => '${p.make("php", 14)}',`,
    `define('DB_PASSWORD', '${p.make("php", 14)}');`,
    `CREATE USER a IDENTIFIED BY '${p.make("sql", 14)}';`,
    `ALTER ROLE a WITH PASSWORD '${p.make("sql", 14)}';`,
    `using basic auth ${Buffer.from(`svc:${p.random(16)}`).toString("base64")}`.replace(
      /\S+$/,
      (word) => p.add("basic-word", word),
    ),
    `args: ["--password", "${p.make("list-of-arguments", 14)}"]`,
    `Environment="DB_PASSWORD=${p.make("unit", 12)} ${p.make("unit", 12)}"`,
    `MYAPP_KEY=${p.make("key", 32, "0123456789abcdef")}`,
    `{"kty":"oct","k":"${p.make("jwk", 43, undefined, "aB1")}"}`,
    `{apiVersion: v1, kind: Secret, stringData: {a: ${p.make("flow", 14)}}}`,
  ];
}

function tokens(p: OddPlanter): readonly string[] {
  const hex = "0123456789abcdef";
  return [
    p.make("huggingface", 34, undefined, "hf_"),
    p.make("grafana", 32, undefined, "glsa_"),
    p.make("databricks", 31, hex, "dapi1"),
    p.make("twilio", 31, hex, "SK1"),
    p.make("shopify", 32, hex, "shpat_"),
    p.make("tailscale", 24, undefined, "tskey-auth-"),
    p.make("doppler", 40, undefined, "dp.pt."),
    p.make("entra", 34, undefined, "abc8Q~"),
    p.make("vault-old", 21, undefined, "s.aB1"),
  ].map((token) => `used ${token} now`);
}

function commands(p: OddPlanter): readonly string[] {
  const password = (): string => p.make("command", 14);
  return [
    `docker login -u u -p ${password()} r.io`,
    `oc login -u x -p ${password()}`,
    `mongo -u a -p ${password()} db`,
    `ipmitool -H h -U ADMIN -P ${password()} power`,
    `zip -P ${password()} a.zip f`,
    `7z a -p${password()} a.7z f`,
    `ldapsearch -x -D cn=a -w ${password()} -b dc=x`,
    `snmpget -v3 -A ${password()} -X ${password()} host`,
    `snmpwalk -v2c -c ${password()} host`,
    `smbclient //s/x -U user%${password()}`,
    `xfreerdp /u:a /p:${password()} /v:h`,
    `sqlplus scott/${password()}@db`,
    `htpasswd -b /etc/ht user ${password()}`,
    `echo '${password()}' | sudo -S id`,
    `echo root:${password()} | chpasswd`,
    `kubectl create secret generic x --from-literal=conf=${password()}`,
    `vault kv put secret/x value=${password()}`,
    `openssl enc -aes-256-cbc -k ${password()} -in x`,
    `SSHPASS=${password()} sshpass -e ssh x`,
    `curl --proxy-user u:${password()} x`,
    `curl -u :${password()} x`,
    `keytool -storepass ${password()} -keypass ${password()}`,
  ];
}

function devices(p: OddPlanter): readonly string[] {
  const password = (): string => p.make("device", 14);
  return [
    `neighbor 10.0.0.1 password ${password()}`,
    ` ip ospf message-digest-key 1 md5 ${password()}`,
    `enable password ${password()}`,
    `tacacs-server key ${password()}`,
    `crypto isakmp key ${password()} address 1.2.3.4`,
    `set system login user x authentication plaintext-password ${password()}`,
    `set vpn ipsec authentication psk X secret '${password()}'`,
    `set service snmp community ${password()} authorization ro`,
    `pre-shared-secret ${password()}`,
    `requirepass ${password()}`,
    `bindpw ${password()}`,
    `: PSK "${password()}"`,
    `stats auth admin:${password()}`,
    `proxy_set_header X-Api-Key "${p.make("device", 24)}";`,
  ];
}

function audit(p: OddPlanter): readonly string[] {
  const hex = (text: string): string => Buffer.from(text).toString("hex").toUpperCase();
  const record = (type: string, rest: string): string => `type=${type} msg=audit(1764530000.100:7): ${rest}`;
  const hidden = (before: string): string => {
    const value = `${p.random(13)}7`;
    p.add("audit-hex", hex(value));
    return hex(before + value);
  };
  return [
    record("EXECVE", `argc=3 a0="mysql" a1="-uroot" a2="-p${p.make("audit", 14)}"`),
    record("EXECVE", `argc=3 a0="app" a1="--password" a2="${p.make("audit", 14)}"`),
    record("EXECVE", `argc=3 a0="sh" a1="-c" a2=${hidden("mysql --password=")}`),
    record("PROCTITLE", `proctitle=${hidden("app\0--password\0")}`),
    record("TTY", `tty pid=1 uid=0 data=${hidden("")}`),
  ];
}

function escapedJson(p: OddPlanter): string {
  return `{"\\u0070assword":"${p.make("escaped-name", 14)}",
 "kind":"\\u0053ecret","d\\u0061ta":{"x.txt":"${p.make("escaped-kind", 20)}"},
 "after":"1"}\n`;
}

function continuedYaml(p: OddPlanter): string {
  const word = (): string => p.make("yaml-continued", 14);
  return `password:
  ${word()}
multi_password: ${word()}
  ${word()}
dq_secret: "${word()}
  ${word()}
  ${word()}"
tokens:
  api_token:
    - ${word()}
args:
  - --db-password
  - ${word()}
command: ["sh", "-c", "exec app --password ${word()}"]
list: [{name: API_TOKEN, value: ${word()}}]
after: 1
`;
}
