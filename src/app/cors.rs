//! Answers about CORS configurations that callers hand in. No bucket is asked.

use crate::app::{App, Error};
use crate::cors::Evaluation;
use crate::finding::Finding;
use crate::model::cors_question::{
    CorsAdvice, CorsQuestion, CorsReport, CorsValidation, CorsWanted, of_request,
};
use crate::model::principal::Caller;

impl App {
    /// Says what is wrong with a configuration.
    pub async fn validate_cors(&self, caller: &Caller, wanted: CorsValidation) -> Result<CorsReport, Error> {
        self.beside(caller, move || wanted.report()).await
    }

    /// Says what a page gets of its request.
    pub async fn evaluate_cors(&self, caller: &Caller, question: CorsQuestion) -> Result<Evaluation, Error> {
        let answer = self.beside(caller, move || question.evaluate()).await?;
        answer.map_err(|findings| Error::invalid(of_request(findings)))
    }

    /// Recommends the smallest configuration for what pages will do.
    pub async fn recommend_cors(&self, caller: &Caller, wanted: CorsWanted) -> Result<CorsAdvice, Error> {
        let advice = self.beside(caller, move || wanted.recommend()).await?;
        advice.map_err(|error| {
            Error::invalid(vec![Finding::error("CORS_NO_RECOMMENDATION", "uses", error.to_string())])
        })
    }
}
