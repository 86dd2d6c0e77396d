"""The three functions from PySpark, by name: nothing of ours is imported.

With spark-submit (JAR and MODEL as in examples/README.md):

    spark-submit --jars "$JAR" --conf spark.plugins=io.sailfish.spark.SailfishPlugin \
        --conf spark.sailfish.model.path="$MODEL" \
        examples/python/classify_reviews.py --out answers

The same file is a client of Spark Connect when SPARK_REMOTE names a server that has the plugin:

    SPARK_REMOTE=sc://localhost python examples/python/classify_reviews.py --out answers
"""
import argparse

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

REVIEWS = [
    (1, "Boils in under two minutes and the handle stays cool. Best kettle I have owned."),
    (2, "Leaked all over the counter on the second day. Sent it back."),
    (3, "My back pain is gone since I have this chair. Great support."),
    (4, "Half of the keys repeat themselves. Unusable."),
    (5, None),
]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="answers", help="folder for the Parquet answers")
    args = parser.parse_args()

    spark = SparkSession.builder.appName("Sailfish from PySpark").getOrCreate()
    reviews = spark.createDataFrame(REVIEWS, "id INT, review STRING")
    labels = F.array(F.lit("praise"), F.lit("complaint"))
    answers = reviews.select(
        "id",
        F.call_function("ai_classify", "review", labels).alias("kind"),
        F.call_function("ai_gen", F.concat(F.lit("Summarize: "), "review")).alias("summary"),
        "review",
    )
    answers.write.mode("overwrite").parquet(args.out)
    spark.read.parquet(args.out).orderBy("id").show(truncate=50)

    reviews.createOrReplaceTempView("reviews")
    spark.sql(
        """
        SELECT id, reply.result, reply.errorMessage
        FROM (SELECT id, ai_query('default', concat('Answer in one short sentence: ', review),
                                  failOnError => false,
                                  modelParameters => named_struct('max_tokens', 24)) AS reply
              FROM reviews WHERE id >= 4)
        ORDER BY id
        """
    ).show(truncate=80)
    spark.stop()


if __name__ == "__main__":
    main()
