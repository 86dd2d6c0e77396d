"""The quickstart's first query from PySpark: nothing but SQL names and two settings is needed.

    spark-submit --jars sailfish-spark-4.2_2.13-VERSION.jar \
        --conf spark.plugins=io.sailfish.spark.SailfishPlugin \
        --conf spark.sailfish.model.path=MODEL.gguf \
        examples/python/classify_reviews.py --out answers
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
    spark.stop()


if __name__ == "__main__":
    main()
