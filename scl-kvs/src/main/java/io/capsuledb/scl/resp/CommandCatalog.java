package io.capsuledb.scl.resp;

import java.util.ArrayList;
import java.util.List;

/** Every command the server knows. */
final class CommandCatalog {

  private CommandCatalog() {}

  /** All commands of a server, with {@code extra} ones. */
  static List<CommandSpec> all(ServerState state, List<CommandSpec> extra) {
    List<CommandSpec> all = new ArrayList<>();
    all.addAll(KeyspaceCommands.allSpecs(state.scanCursors()));
    all.addAll(MultiCommands.specs());
    all.addAll(new ConnectionCommands(state).specs());
    all.addAll(new ClientCommands(state).specs());
    all.addAll(new CommandCommands(state).specs());
    all.addAll(new ServerCommands(state).specs());
    all.addAll(new ConfigCommands(state).specs());
    all.addAll(new AclCommands(state).specs());
    all.addAll(ScriptCommands.specs());
    all.addAll(new FunctionCommands(state).specs());
    all.addAll(
        new CapsuleCommands(state.options().sharing(), state.options().keyRotation()).specs());
    all.addAll(new SharedCommands(state).specs());
    all.addAll(extra);
    return all;
  }
}
