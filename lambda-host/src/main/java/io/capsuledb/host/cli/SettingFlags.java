package io.capsuledb.host.cli;

import io.capsuledb.core.error.InvalidRequestException;
import io.capsuledb.host.config.Setting;
import java.util.List;
import java.util.function.Consumer;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** Settings as flags of a command. */
final class SettingFlags {

  private SettingFlags() {}

  /** Gives a command a flag for each setting; one that takes no value if it has no label. */
  static CommandLine addTo(CommandLine command, List<? extends Setting> settings) {
    for (Setting setting : settings) {
      OptionSpec.Builder option =
          OptionSpec.builder("--" + setting.key()).description(setting.description());
      if (setting.valueLabel().isEmpty()) {
        option.type(boolean.class).arity("0");
      } else {
        option.paramLabel(setting.valueLabel()).arity("1");
        if (setting.repeats()) {
          option.type(List.class).auxiliaryTypes(String.class);
        } else {
          option.type(String.class);
        }
      }
      command.getCommandSpec().addOption(option.build());
    }
    return command;
  }

  /**
   * Hands on the value of a setting, if its flag was given; several with commas between.
   *
   * @throws InvalidRequestException if the setting refuses the value, with the flag's name
   */
  static void apply(CommandSpec spec, Setting setting, Consumer<String> value) {
    String flag = "--" + setting.key();
    Object given = spec.commandLine().getParseResult().matchedOptionValue(flag, null);
    if (given == null) {
      return;
    }
    String text =
        given instanceof List<?> values
            ? String.join(",", values.stream().map(String::valueOf).toList())
            : String.valueOf(given);
    try {
      value.accept(text);
    } catch (InvalidRequestException e) {
      throw new InvalidRequestException("--" + e.getMessage(), e);
    }
  }
}
