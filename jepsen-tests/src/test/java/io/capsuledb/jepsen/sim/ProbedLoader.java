package io.capsuledb.jepsen.sim;

import io.capsuledb.core.sim.Simulation;
import io.capsuledb.core.sim.Violation;
import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.instruction.LineNumber;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.net.URL;
import java.util.HashMap;
import java.util.Map;

/** Loads the product and its simulations so that it shows which lines of the product are run. */
final class ProbedLoader extends ClassLoader {

  private static final String OURS = "io.capsuledb.";

  /** What runs the simulations, and what both sides know. */
  private static final String SELF = "io.capsuledb.jepsen.";

  /** A native library belongs to the loader of whoever loaded it, and so do its declarations. */
  private static final String NATIVE = "fr.acinq.";

  private static final ClassDesc PROBE = ClassDesc.of(Probe.class.getName());
  private static final MethodTypeDesc LINE =
      MethodTypeDesc.of(ConstantDescs.CD_void, ConstantDescs.CD_int);

  static {
    registerAsParallelCapable();
  }

  ProbedLoader() {
    super("probed", ProbedLoader.class.getClassLoader());
  }

  private static boolean isShared(String name) {
    return !(name.startsWith(OURS) || name.startsWith(NATIVE))
        || name.startsWith(SELF)
        || name.startsWith(Simulation.class.getName())
        || name.equals(Violation.class.getName());
  }

  @Override
  protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
    if (isShared(name)) {
      return super.loadClass(name, resolve);
    }
    synchronized (getClassLoadingLock(name)) {
      Class<?> known = findLoadedClass(name);
      return known != null ? known : define(name);
    }
  }

  private Class<?> define(String name) throws ClassNotFoundException {
    URL url = getParent().getResource(name.replace('.', '/') + ".class");
    if (url == null) {
      throw new ClassNotFoundException(name);
    }
    byte[] bytes;
    try (InputStream in = url.openStream()) {
      bytes = in.readAllBytes();
    } catch (IOException e) {
      throw new ClassNotFoundException(name, e);
    }
    if (name.startsWith(OURS) && isProduct(url)) {
      bytes = probed(name, bytes);
    }
    return defineClass(name, bytes, 0, bytes.length);
  }

  private static boolean isProduct(URL url) {
    String where = url.toString();
    return !where.contains("-tests.jar!") && !where.contains("/test-classes/");
  }

  private byte[] probed(String name, byte[] bytes) {
    ClassFile classFile =
        ClassFile.of(
            ClassHierarchyResolverOption.of(
                ClassHierarchyResolver.ofResourceParsing(this)
                    .orElse(ClassHierarchyResolver.defaultResolver())));
    int nested = name.indexOf('$');
    String owner = nested < 0 ? name : name.substring(0, nested);
    Map<Integer, Integer> numbers = new HashMap<>();
    return classFile.transformClass(
        classFile.parse(bytes),
        ClassTransform.transformingMethodBodies(
            (code, element) -> {
              code.with(element);
              if (element instanceof LineNumber line) {
                int number = numbers.computeIfAbsent(line.line(), l -> Probe.add(owner));
                code.loadConstant(number).invokestatic(PROBE, "line", LINE);
              }
            }));
  }
}
