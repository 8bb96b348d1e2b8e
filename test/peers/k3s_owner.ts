/** Who receives bundles in the form of k3s's script: a key pair, and that script's own lines to open them. */
import { join } from "node:path";
import { runProgram } from "./process.ts";

/** A key pair as the script's owner has it: RSA-4096 with a passphrase in a file. */
export async function makeRsaPair(folder: string): Promise<{ pem: string; passphrase: string; publicPem: string }> {
  const [pem, passphrase, publicPem] = [
    join(folder, "diags.private.pem"),
    join(folder, "diags.private.key"),
    join(folder, "pub"),
  ];
  Deno.writeTextFileSync(passphrase, "of the owner\n", { mode: 0o600 });
  await runProgram("openssl", ["genrsa", "-aes256", "-passout", `file:${passphrase}`, "-out", pem, "4096"]);
  await runProgram("openssl", ["rsa", "-in", pem, "-passin", `file:${passphrase}`, "-pubout", "-out", publicPem]);
  return { pem, passphrase, publicPem: Deno.readTextFileSync(publicPem) };
}

/** The decrypting part of fetch-diags.sh, its own lines. */
export const fetchDiags = `set -e
tar xzf log.tar.gz
if [ -f $1.meta.enc ]; then
  openssl rsautl -decrypt -passin file:$PRIVATE_KEY -inkey $PRIVATE_PEM -in $1.meta.enc -out $1.meta
  salt=$(cat $1.meta | grep 'salt=' | cut -f2 -d=)
  key=$(cat $1.meta | grep 'key=' | cut -f2 -d=)
  iv=$(cat $1.meta | grep 'iv=' | cut -f2 -d=)
fi
openssl enc -d -aes-256-cbc -in $1.logs.tar.gz.enc -out /dev/stdout -S $salt -K $key -iv $iv | tar xzf -
rm $1.*`;
