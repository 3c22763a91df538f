package io.capsuledb.host.cli;

import io.capsuledb.core.crypto.SecretBytes;
import io.capsuledb.core.error.Decoded;
import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.core.error.Rejection;
import io.capsuledb.core.keys.ApplicationKey;
import io.capsuledb.core.keys.KeyTree;
import io.capsuledb.core.keys.Mnemonic;
import io.capsuledb.core.system.SystemEntropy;
import io.capsuledb.host.node.OwnerKeyFile;
import io.capsuledb.host.terminal.JsonLine;
import io.capsuledb.host.terminal.Passphrase;
import io.capsuledb.host.terminal.SecretInput;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Makes and looks at owner keys. Each subcommand is a method. */
@Command(
    name = "keys",
    header = "Make an owner key, look at one, protect it, derive public keys from it.",
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Examples:",
      "  capsule keys new owner.key --passphrase-file secret.txt",
      "  capsule keys show owner.key",
      "  capsule keys protect capsule-data/owner.key --passphrase-file secret.txt",
      "",
      "An owner key stands for 24 words. Whoever has the words has the data. No command prints them",
      "unless asked to with --reveal."
    })
final class KeysCommand implements Runnable {

  private static final String PASSPHRASE_HELP =
      "File whose first line is the passphrase, - for the standard input. If not given: the"
          + " environment variable CAPSULE_PASSPHRASE, else a prompt.";

  @Spec private CommandSpec spec = CommandSpec.create();

  private final CommandContext context;
  private final SystemEntropy entropy = new SystemEntropy();

  KeysCommand(CommandContext context) {
    this.context = context;
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "say what to do: new, show, protect, derive");
  }

  @Command(
      name = "new",
      header = "Make a new owner key, or the key of words you have, in a new file.",
      footer = {
        "",
        "Examples:",
        "  capsule keys new owner.key --passphrase-file secret.txt --reveal",
        "  capsule keys new owner.key --words-file words.txt"
      })
  int create(
      @Parameters(paramLabel = "FILE", description = "The key file to make.") Path file,
      @Option(names = "--passphrase-file", paramLabel = "FILE", description = PASSPHRASE_HELP)
          @Nullable String passphraseFile,
      @Option(
              names = "--words-file",
              paramLabel = "FILE",
              description =
                  "Take the words on the first line of this file, - for the standard input.")
          @Nullable String wordsFile,
      @Option(
              names = "--development",
              description = "Protect it by nothing: for trying things out.")
          boolean development,
      @Option(names = "--force", description = "Replace the file if it is there already.")
          boolean force,
      @Option(names = "--reveal", description = "Print the words, to be kept on paper.")
          boolean reveal,
      @Option(names = "--json", description = "Print a JSON object.") boolean json) {
    char[] passphrase = null;
    if (!development) {
      passphrase =
          required(
              Passphrase.givenOrChosen(
                  passphraseFile, context.streams().in(), context.environment()));
    } else if (passphraseFile != null) {
      throw new InvalidRequestException(
          "--development and --passphrase-file are both given: allowed is one of them");
    }
    try (Mnemonic words = wordsFile == null ? Mnemonic.generate(entropy) : words(wordsFile)) {
      OwnerKeyFile key = OwnerKeyFile.write(file, words.entropy(), passphrase, force, entropy);
      print(json, describe(key, words, reveal));
    } finally {
      clear(passphrase);
    }
    return ExitCodes.OK;
  }

  @Command(
      name = "show",
      header = "Show what a key file holds; the words only with --reveal.",
      footer = {"", "Example:", "  capsule keys show --json capsule-data/owner.key"})
  int show(
      @Parameters(paramLabel = "FILE", description = "The key file.") Path file,
      @Option(names = "--passphrase-file", paramLabel = "FILE", description = PASSPHRASE_HELP)
          @Nullable String passphraseFile,
      @Option(names = "--reveal", description = "Print the words; takes the passphrase.")
          boolean reveal,
      @Option(names = "--json", description = "Print a JSON object.") boolean json) {
    OwnerKeyFile key = OwnerKeyFile.read(file);
    if (!reveal) {
      print(json, describe(key, null, false));
      return ExitCodes.OK;
    }
    try (SecretBytes opened = open(key, passphraseFile);
        Mnemonic words = Mnemonic.fromEntropy(opened)) {
      print(json, describe(key, words, true));
    }
    return ExitCodes.OK;
  }

  @Command(
      name = "protect",
      header = "Put a key file under a passphrase, or under another one.",
      description = {
        "A server that is to start with it then needs the passphrase. Copies of the old file still",
        "open the old way."
      },
      footer = {
        "",
        "Example:",
        "  capsule keys protect capsule-data/owner.key --passphrase-file secret.txt"
      })
  int protect(
      @Parameters(paramLabel = "FILE", description = "The key file.") Path file,
      @Option(
              names = "--passphrase-file",
              paramLabel = "FILE",
              description =
                  "File whose first line is the new passphrase, - for the standard input. If not"
                      + " given, a prompt.")
          @Nullable String passphraseFile,
      @Option(
              names = "--old-passphrase-file",
              paramLabel = "FILE",
              description =
                  "File whose first line is the passphrase that protects it now, if one does. If"
                      + " not given: the environment variable CAPSULE_PASSPHRASE, else a prompt.")
          @Nullable String oldPassphraseFile,
      @Option(names = "--json", description = "Print a JSON object.") boolean json) {
    OwnerKeyFile key = OwnerKeyFile.read(file);
    char[] passphrase = null;
    try (SecretBytes opened = open(key, oldPassphraseFile);
        Mnemonic words = Mnemonic.fromEntropy(opened)) {
      passphrase =
          required(Passphrase.givenOrChosen(passphraseFile, context.streams().in(), Map.of()));
      OwnerKeyFile changed = OwnerKeyFile.write(file, words.entropy(), passphrase, true, entropy);
      print(json, describe(changed, null, false));
    } finally {
      clear(passphrase);
    }
    return ExitCodes.OK;
  }

  @Command(
      name = "derive",
      header = "Print the public key of an application, or of one of its writers.",
      footer = {"", "Example:", "  capsule keys derive owner.key --application 0 --generation 0"})
  int derive(
      @Parameters(paramLabel = "FILE", description = "The key file.") Path file,
      @Option(names = "--passphrase-file", paramLabel = "FILE", description = PASSPHRASE_HELP)
          @Nullable String passphraseFile,
      @Option(
              names = "--application",
              paramLabel = "N",
              defaultValue = "0",
              description = "The application, from 0; 0 if not given.")
          int application,
      @Option(
              names = "--generation",
              paramLabel = "N",
              defaultValue = "0",
              description = "The key generation, from 0; 0 if not given.")
          int generation,
      @Option(
              names = "--writer",
              paramLabel = "INDEX",
              description = "A writer of the application, from 1.")
          @Nullable Long writer,
      @Option(names = "--json", description = "Print a JSON object.") boolean json) {
    if (application < 0 || generation < 0) {
      throw new InvalidRequestException(
          "--application is "
              + application
              + " and --generation is "
              + generation
              + ": allowed are 0 to 2147483647");
    }
    if (writer != null && (writer < 1 || writer > ApplicationKey.MAX_WRITER)) {
      throw new InvalidRequestException(
          "--writer is " + writer + ": allowed are 1 to " + ApplicationKey.MAX_WRITER);
    }
    OwnerKeyFile key = OwnerKeyFile.read(file);
    try (SecretBytes opened = open(key, passphraseFile);
        Mnemonic words = Mnemonic.fromEntropy(opened);
        KeyTree tree = KeyTree.fromMnemonic(words, "");
        ApplicationKey derived = tree.application(application, generation)) {
      Map<String, String> facts = new LinkedHashMap<>();
      facts.put("path", derived.path().toString());
      facts.put("publicKey", derived.publicKey().toString());
      if (writer != null) {
        facts.put("writer", writer.toString());
        facts.put("writerPublicKey", derived.writerPublicKey(writer).toString());
      }
      print(json, facts);
    }
    return ExitCodes.OK;
  }

  private static Map<String, String> describe(
      OwnerKeyFile key, @Nullable Mnemonic words, boolean reveal) {
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("file", key.path().toString());
    facts.put("protection", key.isProtected() ? "passphrase" : "none (development)");
    facts.put("ownerPublicKey", key.file().ownerPublicKey().toString());
    if (reveal && words != null) {
      facts.put("words", words.revealWords());
    }
    return facts;
  }

  private void print(boolean json, Map<String, String> facts) {
    PrintStream out = context.streams().out();
    if (json) {
      JsonLine.print(
          out,
          fields -> {
            for (Map.Entry<String, String> fact : facts.entrySet()) {
              fields.writeStringField(fact.getKey(), fact.getValue());
            }
          });
    } else {
      facts.forEach((name, value) -> out.println(name + ": " + value));
    }
  }

  private SecretBytes open(OwnerKeyFile key, @Nullable String passphraseFile) {
    if (!key.isProtected() && passphraseFile == null) {
      return key.open(null);
    }
    return key.open(
        Passphrase.givenOrAsked(
            passphraseFile, context.streams().in(), context.environment(), key.path().toString()));
  }

  private Mnemonic words(String file) {
    try (SecretBytes line = SecretInput.firstLine(file, context.streams().in(), "words")) {
      return switch (Mnemonic.parse(new String(line.expose(), StandardCharsets.UTF_8))) {
        case Decoded.Accepted<Mnemonic>(Mnemonic words) -> words;
        case Decoded.Rejected<Mnemonic>(Rejection rejection) ->
            throw new InvalidRequestException("these are no words of a key: " + rejection.detail());
      };
    }
  }

  private static char[] required(char @Nullable [] passphrase) {
    if (passphrase == null) {
      throw new InvalidRequestException(
          "there is no passphrase to protect the key with: give --passphrase-file FILE, or for"
              + " trying things out --development");
    }
    return passphrase;
  }

  private static void clear(char @Nullable [] passphrase) {
    if (passphrase != null) {
      Arrays.fill(passphrase, '\0');
    }
  }
}
