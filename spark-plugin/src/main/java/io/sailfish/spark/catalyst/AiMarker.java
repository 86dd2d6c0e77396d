package io.sailfish.spark.catalyst;

import java.io.Serializable;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.python.PythonBroadcast;
import org.apache.spark.api.python.PythonFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.util.CollectionAccumulator;
import scala.collection.immutable.Seq;

/**
 * Stands where a PythonUDF has its Python function; nothing Python is in it. It holds what a call
 * takes from the session, so that calls are equal (and computed or cached once) exactly if they
 * mean the same.
 *
 * @param defaultModel model for calls that name none; empty if there is no default
 * @param maxTokens answer length for calls that give none
 */
record AiMarker(AiFunction function, String defaultModel, int maxTokens)
    implements PythonFunction, Serializable {

  @Override
  public Seq<Object> command() {
    return ScalaInterop.seq(List.of());
  }

  @Override
  public Map<String, String> envVars() {
    return Map.of();
  }

  @Override
  public List<String> pythonIncludes() {
    return List.of();
  }

  @Override
  public String pythonExec() {
    return "";
  }

  @Override
  public String pythonVer() {
    return "";
  }

  @Override
  public List<Broadcast<PythonBroadcast>> broadcastVars() {
    return List.of();
  }

  @Override
  public CollectionAccumulator<byte[]> accumulator() {
    return null;
  }
}
