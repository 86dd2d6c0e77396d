-- With JAR and MODEL as in examples/README.md:
--   spark-sql --jars "$JAR" --conf spark.plugins=io.sailfish.spark.SailfishPlugin \
--     --conf spark.sailfish.model.path="$MODEL" -f examples/sql/reviews.sql
CREATE TEMPORARY VIEW reviews AS
SELECT * FROM VALUES
  (1, 'Boils in under two minutes and the handle stays cool. Best kettle I have owned.'),
  (2, 'Leaked all over the counter on the second day. Sent it back.'),
  (3, CAST(NULL AS STRING))
AS t(id, review);

SELECT id, ai_classify(review, array('praise', 'complaint')) AS kind FROM reviews ORDER BY id;

SELECT id, ai_query('default', concat('Answer in one short sentence: ', review),
                    failOnError => false,
                    modelParameters => named_struct('max_tokens', 24)) AS reply
FROM reviews WHERE id = 2;
