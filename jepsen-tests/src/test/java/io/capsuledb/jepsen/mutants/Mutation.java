package io.capsuledb.jepsen.mutants;

import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.MethodModel;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.BranchInstruction;
import java.lang.classfile.instruction.ConstantInstruction;
import java.lang.classfile.instruction.FieldInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.constant.ClassDesc;
import java.util.List;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * One change to one method of a real class.
 *
 * <p>It names its patch point by what is written there (a call, a field, a constant) and how often
 * that occurs in the method. If the code has changed so that the place is not there, or is there
 * another number of times, applying it fails: a mutation that changes nothing would prove nothing.
 *
 * @param className the class, binary name
 * @param method the method, or the beginning of a lambda's name as {@code lambda$method$}
 * @param change what happens to its code
 * @param places how often the patch point occurs
 */
record Mutation(String className, String method, Change change, int places) {

  /** Rewrites one method's code. */
  @FunctionalInterface
  interface Change {
    /** A rewriter for one method; asked for once per method. */
    Rewriter of(MethodModel method);
  }

  /** Passes instructions on, changed or not. */
  @FunctionalInterface
  interface Rewriter {
    /**
     * Takes one element.
     *
     * @return whether this was the patch point
     */
    boolean rewrite(CodeBuilder code, CodeElement element);
  }

  Mutation(String className, String method, Change change) {
    this(className, method, change, 1);
  }

  /** At another number of places than one. */
  Mutation times(int number) {
    return new Mutation(className, method, change, number);
  }

  /** The class with the change. */
  byte[] apply(byte[] original, ClassLoader loader) {
    ClassFile classFile =
        ClassFile.of(
            ClassHierarchyResolverOption.of(
                ClassHierarchyResolver.ofResourceParsing(loader)
                    .orElse(ClassHierarchyResolver.defaultResolver())));
    ClassModel model = classFile.parse(original);
    int[] found = {0};
    ClassTransform transform =
        (builder, element) -> {
          if (element instanceof MethodModel candidate
              && isMeant(candidate.methodName().stringValue())) {
            Rewriter rewriter = change.of(candidate);
            builder.transformMethod(
                candidate,
                java.lang.classfile.MethodTransform.transformingCode(
                    (code, instruction) ->
                        found[0] += rewriter.rewrite(code, instruction) ? 1 : 0));
          } else {
            builder.with(element);
          }
        };
    byte[] changed = classFile.transformClass(model, transform);
    if (found[0] != places) {
      throw new PatchPointGoneException(
          "the patch point in "
              + className
              + "."
              + method
              + " is there "
              + found[0]
              + " times, and should be "
              + places
              + ": the code has changed, so must the mutant");
    }
    return changed;
  }

  private boolean isMeant(String name) {
    return method.endsWith("$") ? name.startsWith(method) : name.equals(method);
  }

  // ------------------------------------------------------------------ changes

  private static boolean isCall(CodeElement element, String owner, String name) {
    return element instanceof InvokeInstruction call
        && call.name().equalsString(name)
        && call.owner().asSymbol().displayName().equals(owner);
  }

  private static void pop(CodeBuilder code, TypeKind kind) {
    if (kind.slotSize() == 2) {
      code.pop2();
    } else if (kind.slotSize() == 1) {
      code.pop();
    }
  }

  private static void push(CodeBuilder code, TypeKind kind, @Nullable Object value) {
    switch (kind) {
      case VOID -> {
        // Nothing is expected.
      }
      case REFERENCE -> code.aconst_null();
      case LONG ->
          code.loadConstant(((Number) java.util.Objects.requireNonNull(value)).longValue());
      default ->
          code.loadConstant(
              value instanceof Boolean truth
                  ? truth ? 1 : 0
                  : ((Number) java.util.Objects.requireNonNull(value)).intValue());
    }
  }

  private static void drop(CodeBuilder code, InvokeInstruction call) {
    List<ClassDesc> types = call.typeSymbol().parameterList();
    for (ClassDesc type : types.reversed()) {
      pop(code, TypeKind.from(type));
    }
    if (call.opcode() != Opcode.INVOKESTATIC) {
      code.pop();
    }
  }

  /** A call does not happen: it answers this, or null. The class is named without its package. */
  static Change skipCall(String owner, String name, @Nullable Object answer) {
    return method ->
        (code, element) -> {
          if (!isCall(element, owner, name)) {
            code.with(element);
            return false;
          }
          InvokeInstruction call = (InvokeInstruction) element;
          drop(code, call);
          push(code, TypeKind.from(call.typeSymbol().returnType()), answer);
          return true;
        };
  }

  /** Of a static call's arguments the first is the answer; all have one type. */
  static Change firstArgument(String owner, String name) {
    return method ->
        (code, element) -> {
          if (!isCall(element, owner, name)) {
            code.with(element);
            return false;
          }
          List<ClassDesc> types = ((InvokeInstruction) element).typeSymbol().parameterList();
          for (ClassDesc type : types.subList(1, types.size()).reversed()) {
            pop(code, TypeKind.from(type));
          }
          return true;
        };
  }

  /** Of the last argument of a call, a long, only these bits are left. */
  static Change narrow(String owner, String name, long mask) {
    return method ->
        (code, element) -> {
          boolean found = isCall(element, owner, name);
          if (found) {
            code.loadConstant(mask).land();
          }
          code.with(element);
          return found;
        };
  }

  /** The method does nothing but return this, or null. */
  static Change returns(@Nullable Object value) {
    return method -> {
      boolean[] done = {false};
      return (code, element) -> {
        if (done[0]) {
          return false;
        }
        done[0] = true;
        TypeKind kind = TypeKind.from(method.methodTypeSymbol().returnType());
        push(code, kind, value);
        code.return_(kind);
        return true;
      };
    };
  }

  /**
   * Of a method's conditional branches one is never taken.
   *
   * @param which its number, from 0
   * @param all how many there are: a method that has changed has another number, mostly
   */
  static Change neverBranch(int which, int all) {
    return branch(
        which,
        all,
        (code, branch) -> {
          code.pop();
          if (branch.opcode().name().startsWith("IF_")) {
            code.pop();
          }
        });
  }

  /** Of a method's conditional branches one is always taken. */
  static Change alwaysBranch(int which, int all) {
    return branch(
        which,
        all,
        (code, branch) -> {
          code.pop();
          if (branch.opcode().name().startsWith("IF_")) {
            code.pop();
          }
          code.goto_(branch.target());
        });
  }

  private static Change branch(
      int which, int all, BiConsumer<CodeBuilder, BranchInstruction> instead) {
    return method -> {
      long there =
          method.code().orElseThrow().elementStream().filter(Mutation::isConditional).count();
      int[] number = {0};
      return (code, element) -> {
        if (!isConditional(element) || number[0]++ != which || there != all) {
          code.with(element);
          return false;
        }
        instead.accept(code, (BranchInstruction) element);
        return true;
      };
    };
  }

  private static boolean isConditional(CodeElement element) {
    return element instanceof BranchInstruction branch
        && branch.opcode() != Opcode.GOTO
        && branch.opcode() != Opcode.GOTO_W;
  }

  private static boolean isField(CodeElement element, Opcode opcode, String owner, String name) {
    return element instanceof FieldInstruction field
        && field.opcode() == opcode
        && field.name().equalsString(name)
        && field.owner().asSymbol().displayName().equals(owner);
  }

  /** A field is not assigned. */
  static Change skipAssignment(String owner, String name) {
    return method ->
        (code, element) -> {
          if (!isField(element, Opcode.PUTFIELD, owner, name)) {
            code.with(element);
            return false;
          }
          pop(code, TypeKind.from(((FieldInstruction) element).typeSymbol()));
          code.pop();
          return true;
        };
  }

  /** Another field of the same class and type is read. */
  static Change readInstead(String owner, String name, String other) {
    return method ->
        (code, element) -> {
          if (!isField(element, Opcode.GETFIELD, owner, name)) {
            code.with(element);
            return false;
          }
          FieldInstruction field = (FieldInstruction) element;
          code.getfield(field.owner().asSymbol(), other, field.typeSymbol());
          return true;
        };
  }

  /** A field reads as this. */
  static Change readAs(String owner, String name, @Nullable Object value) {
    return method ->
        (code, element) -> {
          if (!isField(element, Opcode.GETFIELD, owner, name)) {
            code.with(element);
            return false;
          }
          code.pop();
          push(code, TypeKind.from(((FieldInstruction) element).typeSymbol()), value);
          return true;
        };
  }

  /** A constant is another one. */
  static Change constant(Object from, Object to) {
    return method -> (code, element) -> replace(code, element, from, to);
  }

  /** Of all places of a constant one has another: that with this number, from 0. */
  static Change constant(Object from, Object to, int which) {
    return method -> {
      int[] number = {0};
      return (code, element) -> {
        if (isConstant(element, from) && number[0]++ != which) {
          code.with(element);
          return false;
        }
        return replace(code, element, from, to);
      };
    };
  }

  private static boolean isConstant(CodeElement element, Object value) {
    return element instanceof ConstantInstruction constant
        && constant.constantValue().equals(value);
  }

  private static boolean replace(CodeBuilder code, CodeElement element, Object from, Object to) {
    if (isConstant(element, from)) {
      push(code, ((ConstantInstruction) element).typeKind(), to);
      return true;
    }
    code.with(element);
    return false;
  }
}
