package io.capsuledb.core.properties;

import java.lang.reflect.AnnotatedElement;
import java.util.Optional;
import net.jqwik.api.lifecycle.AroundPropertyHook;
import net.jqwik.api.lifecycle.PropagationMode;
import net.jqwik.api.lifecycle.PropertyAttributes;
import net.jqwik.api.lifecycle.PropertyExecutionResult;
import net.jqwik.api.lifecycle.PropertyExecutor;
import net.jqwik.api.lifecycle.PropertyLifecycleContext;
import org.jspecify.annotations.Nullable;

/**
 * What {@code bin/properties} asks for comes before what properties say themselves: the system
 * property {@code properties.tries} is how many tries each gets, {@code properties.times} by how
 * much more than usual, {@code properties.seed} where all of them begin.
 */
public final class ChosenTries implements AroundPropertyHook {

  /** What jqwik takes where a property says nothing. */
  private static final int USUAL_TRIES = 1000;

  /** Made by jqwik. */
  public ChosenTries() {}

  @Override
  public PropertyExecutionResult aroundProperty(
      PropertyLifecycleContext context, PropertyExecutor property) {
    PropertyAttributes attributes = context.attributes();
    @Nullable Integer tries = Integer.getInteger("properties.tries");
    int times = Integer.getInteger("properties.times", 1);
    if (tries != null) {
      attributes.setTries(tries);
    } else if (times > 1) {
      long more = (long) times * attributes.tries().orElse(USUAL_TRIES);
      attributes.setTries((int) Math.min(Integer.MAX_VALUE, more));
    }
    @Nullable String seed = System.getProperty("properties.seed");
    if (seed != null) {
      attributes.setSeed(seed);
    }
    return property.execute();
  }

  @Override
  public PropagationMode propagateTo() {
    return PropagationMode.ALL_DESCENDANTS;
  }

  /** Before whatever looks at the attributes. */
  @Override
  public int aroundPropertyProximity() {
    return -100;
  }

  @Override
  public boolean appliesTo(Optional<AnnotatedElement> element) {
    return true;
  }
}
